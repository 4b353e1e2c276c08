<?php
// The files of a new Symfony project around src/Controller, as short as possible.
namespace App;

use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Kernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

require 'Symfony/Bundle/FrameworkBundle/autoload.php';
require __DIR__ . '/../src/Controller/Cards.php';

class_exists('Symfony\Component\Routing\Attribute\Route') // its name before Symfony 6.4
    || class_alias('Symfony\Component\Routing\Annotation\Route', 'Symfony\Component\Routing\Attribute\Route');

class App extends Kernel {
    use MicroKernelTrait;

    public function getProjectDir(): string {
        return dirname(__DIR__);
    }

    public function registerBundles(): iterable {
        yield new FrameworkBundle();
    }

    protected function configureContainer(ContainerConfigurator $container): void {
        $container->extension('framework', ['secret' => 'canary', 'router' => ['utf8' => true]]);
        $container->services()->defaults()->autowire()->autoconfigure()->load('App\\', '../src/');
    }

    protected function configureRoutes(RoutingConfigurator $routes): void {
        $routes->import('../src/Controller/', self::VERSION_ID < 60400 ? 'annotation' : 'attribute');
    }
}

(new App('prod', false))->handle(Request::createFromGlobals())->send();
