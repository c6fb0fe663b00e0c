"""People."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.functional import cached_property


class Theme(models.TextChoices):
    AUTO = "auto", "Match system"
    LIGHT = "light", "Light"
    DARK = "dark", "Dark"


class User(AbstractUser):
    """A person. Deactivated when they leave, never deleted: the log names them."""

    name = models.CharField("Full name", max_length=150)
    must_change_password = models.BooleanField(default=False)
    theme = models.CharField(max_length=5, choices=Theme, default=Theme.AUTO)
    time_zone = models.CharField(max_length=64, blank=True)

    class Meta(AbstractUser.Meta):
        constraints = [models.CheckConstraint(condition=models.Q(theme__in=Theme.values), name="user_theme_is_known")]

    def __str__(self) -> str:
        return self.name or self.username

    @cached_property
    def roles(self) -> frozenset[str]:
        """Names of the roles held, read once per request."""
        return frozenset(group.name for group in self.groups.all())

    @property
    def role_list(self) -> list[str]:
        return sorted(self.roles)

    @property
    def state(self) -> str:
        """active, invited (has not signed in with the one-time password yet) or deactivated."""
        if not self.is_active:
            return "deactivated"
        return "invited" if self.must_change_password and self.last_login is None else "active"

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in str(self).split()[:2]).upper()
