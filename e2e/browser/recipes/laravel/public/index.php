<?php
// The files that `laravel new` makes around routes/web.php, as short as possible: the middleware of web pages, with its CSRF check.
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Exceptions\Handler;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Route;

require 'Illuminate/autoload.php';

class Web extends Illuminate\Foundation\Http\Kernel {
    protected $middlewareGroups = ['web' => [
        Illuminate\Cookie\Middleware\EncryptCookies::class,
        Illuminate\Cookie\Middleware\AddQueuedCookiesToResponse::class,
        Illuminate\Session\Middleware\StartSession::class,
        Illuminate\Foundation\Http\Middleware\VerifyCsrfToken::class,
    ]];
}

class Routes extends Illuminate\Foundation\Support\Providers\RouteServiceProvider {
    public function boot(): void {
        $this->routes(fn() => Route::middleware('web')->group(base_path('routes/web.php')));
    }
}

$app = new Application(dirname(__DIR__));
$app->singleton(Kernel::class, Web::class);
$app->singleton(ExceptionHandler::class, Handler::class);
$app->booting(fn() => $app->register(Routes::class));
$app->make(Kernel::class)->handle(Request::capture())->send();
