/**
 * What a test adds to each recipe of docs/outbox-recipes.md to make a program of it: imports, the app's own model, and votes.
 *
 * A program has the ids of two cards as arguments. It votes three times for the first; prints why the fourth vote is refused;
 * votes once for the second.
 */
import { LANGUAGES } from '../../backends/harness/languages.ts'
import { EXTRAS, GEM_PATH, GO_PATH, LIBRARIES, RUBY_SQLITE } from '../../backends/harness/libraries.ts'
import { POSTGRES } from '../../backends/harness/toolchain.ts'
import type { Program } from './outbox-program.ts'

const PYTHON_VOTES = `
import sys
[first, second] = map(int, sys.argv[1:])
for _ in range(3): vote(first)
try: vote(first)
except ValueError as error: print("refused:", error)
vote(second)
`

const PHP_VOTES = (vote: string) => `
[, $first, $second] = array_map(intval(...), $argv);
for ($n = 0; $n < 3; $n++) ${vote}$first);
try { ${vote}$first); } catch (DomainException $error) { echo "refused: {$error->getMessage()}"; }
${vote}$second);
`

const RUBY_VOTES = `
first, second = ARGV.map(&:to_i)
3.times { vote(first) }
begin
  vote(first)
rescue RuntimeError => error
  puts "refused: #{error.message}"
end
vote(second)
`

const JS_VOTES = `
const [first, second] = process.argv.slice(2).map(Number)
for (let n = 0; n < 3; n++) await vote(first)
try { await vote(first) } catch (error) { console.log('refused:', error.message) }
await vote(second)
`

const python = { from: 'python/hotcable.py' }
const php = { from: 'php/hotcable.php' }
const ruby = { from: 'ruby/hotcable.rb' }

export const PROGRAMS: Readonly<Record<string, Program>> = {
  Django: {
    needs: LIBRARIES.django,
    file: 'django_recipe.py',
    helper: python,
    start: `
import os, django, settings
from django.db import models
if django.VERSION < (5, 1): settings.DATABASES["default"].update({"ENGINE": "immediate", "OPTIONS": {}})
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
django.setup()

class Card(models.Model):
    votes = models.IntegerField()
    class Meta: app_label, db_table = "app", "cards"

`,
    end: PYTHON_VOTES,
    command: async () => [(await LIBRARIES.django.interpreter())!, 'django_recipe.py'],
  },
  SQLAlchemy: {
    needs: LIBRARIES.sqlalchemy,
    file: 'sqlalchemy_recipe.py',
    helper: python,
    start: `
from sqlalchemy import Column, Integer
from sqlalchemy.orm import declarative_base

class Card(declarative_base()):
    __tablename__ = "cards"
    id = Column(Integer, primary_key=True)
    votes = Column(Integer)

`,
    end: PYTHON_VOTES,
    command: async () => [(await LIBRARIES.sqlalchemy.interpreter())!, 'sqlalchemy_recipe.py'],
  },
  PDO: {
    needs: LANGUAGES.php,
    file: 'pdo.php',
    helper: php,
    start: "<?php\nrequire 'hotcable.php';\n",
    end: PHP_VOTES('vote($db, '),
    command: async () => ['php', 'pdo.php'],
  },
  Laravel: {
    needs: EXTRAS.laravel,
    file: 'laravel.php',
    helper: php,
    start: `<?php
require 'Illuminate/autoload.php';
require 'hotcable.php';
use Illuminate\\Database\\Capsule\\Manager as DB;
$capsule = new DB;
$capsule->addConnection(['driver' => 'sqlite', 'database' => 'app.sqlite']);
$capsule->setAsGlobal();
`,
    end: PHP_VOTES('vote('),
    command: async () => ['php', '-d', 'error_reporting=E_ALL & ~E_DEPRECATED', 'laravel.php'],
  },
  ActiveRecord: {
    needs: RUBY_SQLITE,
    file: 'active_record.rb',
    helper: ruby,
    start: `
require "active_record"
require "yaml"
require "./hotcable"
ActiveRecord.partial_inserts = false if ActiveRecord.respond_to?(:partial_inserts=)
ActiveRecord::Base.establish_connection(YAML.load_file("config/database.yml")["development"])
class Card < ActiveRecord::Base; end
`,
    end: RUBY_VOTES,
    command: async () => ['ruby', 'active_record.rb'],
    env: () => ({ GEM_PATH }),
  },
  Sequel: {
    needs: LIBRARIES.sequel,
    file: 'sequel.rb',
    helper: ruby,
    start: 'require "sequel"\nrequire "./hotcable"\n',
    end: RUBY_VOTES,
    command: async () => [(await LIBRARIES.sequel.interpreter())!, 'sequel.rb'],
  },
  'node:sqlite': {
    needs: { ...LANGUAGES.typescript, isExtra: false },
    file: 'node-sqlite.mjs',
    helper: { from: 'typescript/hotcable.js' },
    start: '',
    end: JS_VOTES,
    command: async () => [process.execPath, '--disable-warning=ExperimentalWarning', 'node-sqlite.mjs'],
  },
  "Go's database/sql": {
    needs: EXTRAS.goSqlite,
    file: 'src/recipe/main.go',
    helper: { from: 'go/hotcable.go', to: 'src/hotcable' },
    start: `package main

import (
	"database/sql"
	"errors"
	"fmt"
	"hotcable"
	"os"
	"strconv"

	_ "github.com/mattn/go-sqlite3"
)

`,
    end: `
func main() {
	db, err := sql.Open("sqlite3", source)
	first, _ := strconv.Atoi(os.Args[1])
	second, _ := strconv.Atoi(os.Args[2])
	for _, id := range []int{first, first, first, first, second} {
		if err == nil {
			err = vote(db, id)
		}
		if err != nil && id == first {
			fmt.Println("refused:", err)
			err = nil
		}
	}
	if err != nil {
		panic(err)
	}
}
`,
    command: async () => ['go', 'run', '-tags', 'libsqlite3', 'recipe'],
    env: folder => ({ GO111MODULE: 'off', GOPATH: `${folder}:${GO_PATH}` }),
  },
}

/** With PostgreSQL at `url`. */
export const nodePostgres = (url: string): Program => ({
  needs: { ...POSTGRES, isExtra: false },
  file: 'node-postgres.mjs',
  helper: { from: 'typescript/hotcable.js' },
  start: '',
  end: `${JS_VOTES}await pool.end()\n`,
  command: async () => [process.execPath, 'node-postgres.mjs'],
  env: () => ({ DATABASE_URL: url }),
})
