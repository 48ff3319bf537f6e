"""Where CheckFailed and MatrixFailed were: results that were pickled by a version before name this module."""

from tasks.mail.model.errors import CheckFailed, MatrixFailed

__all__ = ["CheckFailed", "MatrixFailed"]
