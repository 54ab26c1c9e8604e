"""All settings, read from the environment once, at start; a bad value stops the start.

The table in docs/operations.md says the same for people. Without `DATABASE_URL` and `REDIS_URL`
the servers that `manage.py up` embeds are used. An installation whose `ALLOWED_HOSTS` are all
this very machine is *local*: it makes its own secret key and speaks plain HTTP. Any other is
reachable by strangers, so it must bring `SECRET_KEY` and is served over HTTPS.
"""

from typing import Any

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NoConnection
from redis.retry import Retry

from config import env
from config.places import ROOT, find_places
from config.secret import read_or_make
from connectors.channels import find_channels

BASE_DIR = ROOT
PLACES = find_places()
PLACES.make()
LIUKE_DATA_DIR = PLACES.data
LIUKE_BIND = env.text("LIUKE_BIND", "127.0.0.1:8000")
LIUKE_DEMO = env.flag("LIUKE_DEMO", default=False)  # set by the demo's supervisor, for its children

# --- who may reach us, and how secretly -----------------------------------------------------

LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS") or LOOPBACK
LOCAL = set(ALLOWED_HOSTS) <= set(LOOPBACK)
HTTPS = env.flag("LIUKE_HTTPS", default=not LOCAL)
DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.text("SECRET_KEY", read_or_make(PLACES.data / "secret_key") if LOCAL else None)
SECRET_KEY_FALLBACKS = env.words("SECRET_KEY_FALLBACKS")

SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
# Both speak for neighbours of this host and are hard to take back, so they have to be asked for.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS and env.flag(
    "LIUKE_HSTS_PRELOAD", default=False
)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]  # the two settings above
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 7 * 24 * 3600
CSRF_FAILURE_VIEW = "crm.views.errors.forbidden_csrf"
CSRF_TRUSTED_ORIGINS = [
    f"https://{host.replace('.', '*.', 1) if host[0] == '.' else host}"
    for host in ALLOWED_HOSTS
    if HTTPS and host != "*"
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],  # Tabler draws its ticks and arrows as data: images
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# --- the application ------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",
    "crm",
    "campaigns",
    "contacts",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "django_cotton",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "crm.views.errors.AnswerRefusals",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,  # django-cotton replaces this by its own loaders at start
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "crm.context.page",
            ],
        },
    },
]
COTTON_DIR = "cotton"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [ROOT / "locale"]
FORMAT_MODULE_PATH = "crm.formats"
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT = PLACES.data / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise wants it, also where nothing is collected
WHITENOISE_USE_FINDERS = LOCAL  # a laptop serves the checkout's files; production collects them
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if LOCAL
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
MEDIA_ROOT = PLACES.data / "media"

# --- accounts -------------------------------------------------------------------------------

AUTH_USER_MODEL = "contacts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "config.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_EMAIL_VERIFICATION = "none"  # an administrator vouches for the address
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False  # this session stays, Django ends the others
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if HTTPS else 0

# --- database, cache, broker ----------------------------------------------------------------

DATABASES = {"default": env.database("DATABASE_URL", PLACES.database_url)}
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DATABASES["default"]["OPTIONS"] |= {
    "connect_timeout": 3,
    # The memory for a hash: rows that do not fit (32 bytes each, times 4 MB of `work_mem`) would be
    # read again for each customer wherever a rule asks for "one or the other". Pages lie in memory
    # or on a solid-state disk, where reading them out of order costs hardly more. Nothing is worth
    # compiling: older planners think so where nested loops are off and one is needed all the same.
    "options": "-c statement_timeout=15s -c lock_timeout=3s"
    " -c idle_in_transaction_session_timeout=30s -c hash_mem_multiplier=16"
    " -c random_page_cost=1.1 -c jit=off",
}
REDIS_URL, CELERY_BROKER_URL = env.redis("REDIS_URL", PLACES.redis_url)
REDIS_OPTIONS: dict[str, Any] = {
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
    # Once, where a connection has ended: a page must not wait for a cache that is down or silent.
    "retry": Retry(NoBackoff(), 1, supported_errors=(NoConnection,)),
}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "liuke",
        "OPTIONS": REDIS_OPTIONS,
    }
}

# --- notices ----------------------------------------------------------------------------

NOTICE_LANGUAGE = env.text("LIUKE_NOTICE_LANGUAGE", "zh-hans")

# --- exports --------------------------------------------------------------------------------

EXPORT_ROWS = env.number("LIUKE_EXPORT_ROWS", 5000)
EXPORT_ROWS_OF_MANAGERS = env.number("LIUKE_EXPORT_ROWS_OF_MANAGERS", 50000)

# --- tasks ----------------------------------------------------------------------------------
# A task is an idempotent claim of rows, so that running it twice or half is harmless.

CELERY_TASK_DEFAULT_QUEUE = "realtime"  # what a person or a 20-second code waits for
CELERY_TASK_ROUTES = {
    "campaigns.tasks.send_welcome": {"queue": "realtime"},
    "campaigns.tasks.*": {"queue": "bulk"},
    "contacts.tasks.*": {"queue": "bulk"},
    "crm.tasks.announce_handover": {"queue": "bulk"},
    "crm.tasks.run_series": {"queue": "bulk"},
    "crm.tasks.plan_campaign": {"queue": "bulk"},
    "crm.tasks.learn_customer": {"queue": "bulk"},
    "crm.tasks.sync_wecom": {"queue": "bulk"},
    "crm.tasks.reconcile": {"queue": "bulk"},
    "crm.tasks.collect_events": {"queue": "bulk"},
    "crm.tasks.call_webhook": {"queue": "bulk"},
    "crm.tasks.count_campaign": {"queue": "bulk"},
    "crm.tasks.read_mailbox": {"queue": "bulk"},
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE_OR_TIMEOUT = True
CELERY_TASK_IGNORE_RESULT = True
# Only a pool of processes honours these two. In the pool of threads that we run every call to the
# outside and every statement has its own limit instead.
CELERY_TASK_SOFT_TIME_LIMIT = 60
CELERY_TASK_TIME_LIMIT = 90
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 2, "interval_max": 0.5}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "max_retries": 0,  # a web request that rings an unreachable broker goes on at once
    "visibility_timeout": 300,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 15,
}
# Celery would open a database session for every task; config.celery keeps them healthy instead.
CELERY_DB_REUSE_MAX = 1_000_000_000
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "crm.tasks.sweep", "schedule": 2.0},
    "sync_wecom": {"task": "crm.tasks.sync_wecom", "schedule": crontab(hour="3", minute="30")},
    "tell_of_unusual": {
        "task": "crm.tasks.tell_of_unusual",
        "schedule": crontab(hour="4", minute="30"),
    },
}

# --- the API --------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "crm.api.keys.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "crm.api.pages.KeysetPages",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": ["crm.api.throttles.KeyThrottle"],
    "DEFAULT_THROTTLE_RATES": {"user": "6000/min"},
    "NUM_PROXIES": 1 if HTTPS else 0,
    "EXCEPTION_HANDLER": "crm.api.problems.handle",
    "DEFAULT_SCHEMA_CLASS": "crm.api.schema.ApiSchema",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Liuke",
    "DESCRIPTION": "A self-hosted sales CRM for retailers.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [],  # values of states stand where they are used, under no made-up name
}

# --- the outside ----------------------------------------------------------------------------

WECOM_API_URL = env.text("WECOM_API_URL", "https://qyapi.weixin.qq.com/cgi-bin")
WECOM_CORP_ID = env.text("WECOM_CORP_ID", "")
WECOM_AGENT_ID = env.text("WECOM_AGENT_ID", "")
WECOM_SECRET = env.text("WECOM_SECRET", "")
WECOM_CALLBACK_TOKEN = env.text("WECOM_CALLBACK_TOKEN", "")
WECOM_CALLBACK_AES_KEY = env.text("WECOM_CALLBACK_AES_KEY", "")
WECOM_RECEIVE_QUOTA = env.quota("WECOM_RECEIVE_QUOTA", "month")  # ("month", 0): one for each day
MAILBOX_URL = env.mailbox("MAILBOX_URL")
SENDGRID_WEBHOOK_KEY = env.text("SENDGRID_WEBHOOK_KEY", "")
MAILGUN_WEBHOOK_KEY = env.text("MAILGUN_WEBHOOK_KEY", "")
POSTMARK_WEBHOOK_KEY = env.text("POSTMARK_WEBHOOK_KEY", "")
SES_TOPIC_ARNS = env.topics("SES_TOPIC_ARN")
SES_SNS_VIA = env.text("SES_SNS_VIA", "")
# What channels of letters read is said by their folders in connectors/: SMS_URL and so on.
_CHANNELS = find_channels()
_DECLARED = env.declared(one for channel in _CHANNELS.values() for one in channel.variables)
globals().update(_DECLARED)
SMS_URL: str = _DECLARED["SMS_URL"]  # what gateways tell is read by it, too
CHANNEL_RATES = {  # letters a second; 0: as many as the channel takes
    kind: env.number(channel.rate_variable, channel.rate) for kind, channel in _CHANNELS.items()
}
PUBLIC_URL = env.text("LIUKE_PUBLIC_URL", f"http://{LIUKE_BIND}").rstrip("/")
STOP_WORDS = env.words("LIUKE_STOP_WORDS")  # beside those that end messages everywhere
CALLBACK_KEY = env.text("LIUKE_CALLBACK_KEY", "")
globals().update(env.mail("EMAIL_URL"))

# --- logs -----------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "people": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "machines": {"()": "config.logs.JsonLines"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "people" if LOCAL else "machines",
        },
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "httpx": {"level": "WARNING"},  # its request lines carry access tokens
    },
}
