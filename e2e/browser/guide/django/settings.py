from pathlib import Path

SECRET_KEY, ROOT_URLCONF, ALLOWED_HOSTS = "canary", "urls", ["127.0.0.1"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "DIRS": [Path(__file__).parent / "templates"],
}]
