"""Why a database cannot be written to a file or read back, and the cure."""


class BackupError(Exception):
    """It could not be done, and the database is as it was; the message says why, and the cure."""
