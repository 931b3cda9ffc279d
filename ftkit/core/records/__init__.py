"""The pydantic records that travel between notebooks as files, a module per stage.

Every record forbids unknown fields and carries a schema version. Shares are in 0..1, times in seconds (``_s``),
memory in GiB (``_gib``), money in US dollars (``_usd``).
"""
