"""All settings, driven by the environment. docs/settings.md says what each one means."""

import socket
from datetime import timedelta
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from . import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

# --- places ---------------------------------------------------------------------------------------------
CONSOLE_HOME = env.path("CONSOLE_HOME", BASE_DIR / "var")
KEYS_DIR = env.path("KEYS_DIR", CONSOLE_HOME / "keys")
CHECKPOINTS_DIR = env.path("CHECKPOINTS_DIR", CONSOLE_HOME / "checkpoints")
RUN_LOGS_DIR = env.path("RUN_LOGS_DIR", CONSOLE_HOME / "run-logs")
DOWNLOADS_DIR = env.path("DOWNLOADS_DIR", CONSOLE_HOME / "downloads")
CA_DIR = env.path("CA_DIR", CONSOLE_HOME / "ca")
SAFETY_DIR = env.path("SAFETY_DIR", CONSOLE_HOME / "safety")
IDENTITIES_DIR = env.path("IDENTITIES_DIR", CONSOLE_HOME / "identities")

# --- Django ---------------------------------------------------------------------------------------------
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.secret("SECRET_KEY", KEYS_DIR / "django", made_by="manage.py init")
ALLOWED_HOSTS = env.names("ALLOWED_HOSTS", "localhost 127.0.0.1 [::1]")
ROOT_URLCONF = "cybersift_backup_site.urls"
WSGI_APPLICATION = "cybersift_backup_site.wsgi.application"
DATABASES = {"default": env.database("DATABASE_URL", CONSOLE_HOME / "db.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "backups.User"

INSTALLED_APPS = [
    "backups",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django_q",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "backups.web.middleware.SecurityHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "backups.web.middleware.Origin",
    "backups.web.middleware.SessionAge",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "backups.web.middleware.PasswordChange",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["backups.templatetags.ui", "django.templatetags.static"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "backups.web.navigation.navigation",
            ],
        },
    }
]
FORM_RENDERER = "backups.templatetags.ui.FieldRenderer"

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", CONSOLE_HOME / "static")
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MAX_AGE = 31536000

# --- people ---------------------------------------------------------------------------------------------
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "dashboard:home"
LOGOUT_REDIRECT_URL = "accounts:sign_in"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SIGN_IN_TRIES = env.number("SIGN_IN_TRIES", 5, low=1, high=1000)
SIGN_IN_WINDOW_SECONDS = env.number("SIGN_IN_WINDOW_SECONDS", 300, low=1)
STEP_UP_SECONDS = env.number("STEP_UP_SECONDS", 300, low=1)
SESSION_IDLE_SECONDS = env.number("SESSION_IDLE_SECONDS", 30 * 60, low=1)
SESSION_MAX_SECONDS = env.number("SESSION_MAX_SECONDS", 8 * 3600, low=1)

# --- what a browser may do ------------------------------------------------------------------------------
# A console on loopback speaks plain HTTP; everywhere else HTTPS is not a matter of choice.
HTTPS = env.flag("HTTPS", True)
BEHIND_PROXY = env.flag("BEHIND_PROXY", False)
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "[::1]", "testserver"}
if not HTTPS and set(ALLOWED_HOSTS) - LOOPBACK_HOSTS:
    raise ImproperlyConfigured(
        "HTTPS=no is for a console on this machine only; ALLOWED_HOSTS names other hosts. "
        "Put a proxy with a certificate in front, and set HTTPS=yes and BEHIND_PROXY=yes."
    )
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
# Browsers do not keep the cookies of two ports apart.
COOKIE_SUFFIX = env.text("COOKIE_SUFFIX", "")
SESSION_COOKIE_NAME = ("__Host-session" if HTTPS else "session") + COOKIE_SUFFIX
CSRF_COOKIE_NAME = ("__Host-csrf" if HTTPS else "csrf") + COOKIE_SUFFIX
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_TRUSTED_ORIGINS = env.names("CSRF_TRUSTED_ORIGINS")
SESSION_COOKIE_AGE = int(SESSION_MAX_SECONDS)
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500
# W005 and W021: whether subdomains and browsers' preload lists may be bound is the site's decision on its
# domain, not the console's.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- web server (deploy/gunicorn.conf.py) ----------------------------------------------------------------
WEB_PROCESSES = env.number("WEB_PROCESSES", 2, low=1, high=64)
WEB_THREADS = env.number("WEB_THREADS", 8, low=1, high=128)

# --- runs and workers -----------------------------------------------------------------------------------
WORKER_HOST = env.label("WORKER_HOST", socket.gethostname())
WORKER_PROCESSES = env.number("WORKER_PROCESSES", 3, low=1, high=32)
LONG_STEPS = env.number("LONG_STEPS", 1, low=1, high=16)
ARCHIVE_JOBS = env.number("ARCHIVE_JOBS", 2, low=1, high=32)
LEASE_SECONDS = env.number("LEASE_SECONDS", 60, low=1)
HEARTBEAT_SECONDS = env.number("HEARTBEAT_SECONDS", 10, low=0.5)
STALL_SECONDS = env.number("STALL_SECONDS", 60, low=3)
CHECKPOINT_SECONDS = env.number("CHECKPOINT_SECONDS", 300, low=1)
COLLECT_SECONDS = env.number("COLLECT_SECONDS", 45, low=1, high=3600)
CHECK_KEPT = timedelta(hours=24)

Q_CLUSTER = {
    # Each host has a queue of its own. In a shared one the other hosts take the beats by which the supervisor of this
    # one sees that tasks are run, and a host whose clock is ahead hides its tasks from them.
    "name": f"console-{WORKER_HOST}",
    "label": "Console queue",
    "workers": WORKER_PROCESSES,
    "queue_limit": WORKER_PROCESSES,
    "bulk": 1,
    "timeout": 60,  # a turn takes less than 5 s and a request at most 20 s: this is the net below
    "retry": 300,
    "max_attempts": 1,
    "ack_failures": True,  # a failed doorbell is never rung again by the queue; the ticker decides
    "save_limit": -1,  # no pickled results: the run is the record
    "recycle": 1000,
    "max_rss": 300_000,
    "guard_cycle": 1,
    "poll": 0.2,
    "scheduler": False,
    "catch_up": False,
    "compress": False,
}
BROKER_REDIS_URL = env.text("BROKER_REDIS_URL", "")
Q_CLUSTER |= {"redis": BROKER_REDIS_URL} if BROKER_REDIS_URL else {"orm": "default"}

# --- Elasticsearch --------------------------------------------------------------------------------------
CLUSTER_ALLOW_HTTP = env.flag("CLUSTER_ALLOW_HTTP", False)
CLUSTER_NETWORKS = tuple(env.names("CLUSTER_NETWORKS"))

# --- approvals and restores -------------------------------------------------------------------------------
# How many other people have to agree, by risk. What adds or replaces never goes with fewer than the defaults.
APPROVALS_NEEDED = {
    "R0": 0,
    "R1": env.number("APPROVALS_R1", 1, low=1, high=9),
    "R2": env.number("APPROVALS_R2", 1, low=1, high=9),
    "R3": env.number("APPROVALS_R3", 2, low=2, high=9),
}
APPROVAL_HOURS = env.number("APPROVAL_HOURS", 24, low=0.01, high=24 * 14)
APPROVAL_HOURS_R3 = env.number("APPROVAL_HOURS_R3", 4, low=0.01, high=24 * 14)
START_WINDOW_MINUTES = env.number("START_WINDOW_MINUTES", 60, low=1, high=24 * 60)
REVIEW_HOURS = env.number("REVIEW_HOURS", 24, low=1, high=24 * 14)
SAFETY_COPY_DAYS = env.number("SAFETY_COPY_DAYS", 14, low=1, high=365)

# --- mail -------------------------------------------------------------------------------------------------
CONSOLE_URL = env.text("CONSOLE_URL", "").rstrip("/")
EMAIL_HOST = env.text("EMAIL_HOST", "")
EMAIL_PORT = env.number("EMAIL_PORT", 587, low=1, high=65535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "backup-console@localhost")

# --- logs -----------------------------------------------------------------------------------------------
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "backups.web.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # The client's DEBUG prints bodies and headers, its WARNING repeats what a run says: no LOG_LEVEL shows them.
        "elastic_transport": {"level": "ERROR"},
        "elasticsearch": {"level": "WARNING"},
        "django-q": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
        "django.server": {"handlers": ["stderr"], "propagate": False},
    },
}
