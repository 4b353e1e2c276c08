<?php
// A list of tasks without live updates, as an app may be before its author reads docs/existing-app.md.
use Illuminate\Http\Request;
use Illuminate\Support\Facades\{Cache, Log, Route};

Route::get('/', function () {
    $tasks = Cache::get('tasks', []);
    return view('index', ['tasks' => $tasks]);
});

Route::post('/tasks', function (Request $request) {
    $tasks = Cache::get('tasks', []);      // in place of a model
    $task = ['id' => count($tasks) + 1, 'title' => $request->input('title')];
    Cache::forever('tasks', [...$tasks, $task]);
    Log::info("task {$task['id']} was added");
    return redirect('/', 303);
});
