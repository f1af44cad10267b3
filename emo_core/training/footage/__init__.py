"""From videos to clips that train EMO: cut, track, judge, crop, measure, pack."""
