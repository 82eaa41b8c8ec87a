# syntax=docker/dockerfile:1
# Put a CPU wheel of torch 2.13.0 into ./wheels before building; without it pip takes the build
# with CUDA, which works and is gigabytes larger.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY wheels/ wheels/
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/strongroom \
    && /opt/strongroom/bin/pip install --find-links wheels "torch==2.13.0" \
    && /opt/strongroom/bin/pip install --no-deps --require-hashes -r requirements.lock
COPY acl/ acl/
COPY ingest/ ingest/
COPY retrieval/ retrieval/
RUN /opt/strongroom/bin/pip install --no-deps .

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 strongroom \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin strongroom \
    && install --directory --owner 10001 --group 10001 --mode 0700 /var/lib/strongroom
COPY --from=build /opt/strongroom /opt/strongroom
COPY policy/ /etc/strongroom/policy/
ENV PATH=/opt/strongroom/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    STRONGROOM_DATA_DIR=/var/lib/strongroom \
    STRONGROOM_POLICY_DIR=/etc/strongroom/policy
USER 10001:10001
WORKDIR /var/lib/strongroom
EXPOSE 8020
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8020/readyz', timeout=2)"]
CMD ["strongroom", "serve"]
