"""Several signals of one trace, one decision: hybrids, gates, risk control, referees, routers."""
