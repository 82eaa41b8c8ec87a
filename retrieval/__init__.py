"""Questions in, cleared passages out."""
