"""All errors a person can meet. Each class is named after the caller's next step; its docstring is the
default message.
"""

from __future__ import annotations


class InsituError(Exception):
    """Something went wrong in Insitu."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))


class CorrectInput(InsituError):
    """The input is not valid: correct it and try again."""

    exit_code = 2


class NotFound(InsituError):
    """Nothing of that name exists here, or you may not see it."""

    exit_code = 2


class AlreadyExists(CorrectInput):
    """That name is taken: choose another one."""


class ChangedMeanwhile(CorrectInput):
    """Somebody else changed it meanwhile: read it again, then change that."""


class StartInsitu(InsituError):
    """Nothing is running here: start `insitu up` or set INSITU_DATABASE_URL."""


class RunMigrate(InsituError):
    """The database has an older schema than this version needs: run `insitu migrate`."""


class UpgradeInsitu(InsituError):
    """The database has a newer schema than this version knows: install a newer insitu."""


class UpgradePostgres(InsituError):
    """The database server is too old: upgrade it to PostgreSQL 17 or 18."""


class RetryLater(InsituError):
    """The database or the broker does not answer at the moment: nothing is lost, try again."""


class RaiseLimit(InsituError):
    """A limit of the database server is too low for this: raise it, or do less at once."""


class TrySmaller(RetryLater):
    """The database cannot finish this at the moment: nothing is lost, try again, with less at once."""


class RowRefused(InsituError):
    """The database refuses this row because of its content; other rows are not affected."""


class FreePort(InsituError):
    """The port is taken: stop the program that holds it or choose another port."""


class FreeSpace(InsituError):
    """The disk is full: free space in the data directory, then start again."""


class FixPermissions(InsituError):
    """The account that runs the server cannot reach its files."""


class RestoreBackup(InsituError):
    """Files of a server are missing or damaged: put them back, or restore a backup."""


class AlreadyRunning(InsituError):
    """Another process holds this data directory: stop it or choose another INSITU_DATA_DIR."""


class ProtocolLocked(InsituError):
    """The protocol is locked: write an amendment."""


class NotAcceptedHere(InsituError):
    """Credentials are wrong, expired or revoked."""


class ReportDefect(InsituError):
    """This is a defect of Insitu: report it, with the details."""

    exit_code = 70


class Disagrees(InsituError):
    """The recomputed results differ from those in the package."""


NOT_VOUCHED = 3
"""Exit code of `verify` where nothing differs, but the reader must still settle who vouches for it."""
