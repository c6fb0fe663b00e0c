"""Tries to sign in, so that they can be counted."""

from django.db import models


class SignInTry(models.Model):
    """One try that did not get in; a right password removes its rows. Counted per name and address together:
    counting names alone would let anybody lock out everybody. Removed by the ticker when nobody counts it."""

    name = models.CharField(max_length=150)
    address = models.CharField(max_length=45)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["address", "-at"], name="try_by_address")]

    def __str__(self) -> str:
        return f"{self.name} from {self.address}"
