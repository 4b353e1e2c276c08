SECRET_KEY, ROOT_URLCONF, ALLOWED_HOSTS = "canary", "urls", ["127.0.0.1"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
