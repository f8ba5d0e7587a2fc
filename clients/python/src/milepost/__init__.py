"""Reports the progress of sessions to Milepost, and watches it."""
from milepost.monitor import Progress, Refused, monitor_session
from milepost.progress_tracker import ProgressTracker, ProgressUpdate, get_progress_tracker

__all__ = ["Progress", "ProgressTracker", "ProgressUpdate", "Refused", "get_progress_tracker", "monitor_session"]
