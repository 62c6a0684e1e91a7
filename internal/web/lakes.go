package web

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/report"
)

// A Lake is where pages find what they show.
type Lake struct {
	// Dir is the lake on this machine: itself, or the copy of one in S3.
	Dir string

	// Refresh brings Dir up to date; nil where Dir is the lake itself.
	Refresh func(context.Context) error

	// Origin returns the lake that Dir is a copy of, which has the facts that
	// copies lack; nil where Dir is the lake itself.
	Origin func(context.Context) (*lake.Lake, error)

	// Settings are those that tables are derived with today.
	Settings *derive.Settings

	Zone *time.Location // nil is UTC

	// Engine answers in the place of the DuckDB within the program; nil is that.
	// The lake is then not read on this machine but for its ledger and limits'
	// state, by Origin where the lake is in S3.
	Engine *Engine

	// Held is a file in which roll-ups are held (see report.Hold), so that
	// views need not read the lake's many files; empty is none. Servers may
	// share it.
	Held string
}

// An Engine is a distributed engine that answers for the dashboard. What
// somebody may see cannot be told to it: it answers those alone who may see
// everything.
type Engine struct {
	Name string // as people know it
	DB   *report.DB

	// Keep is how long answers hold, also when the lake changed meanwhile: each
	// is a statement that costs. Until then a page that was asked for before
	// asks nothing, and none is asked for before somebody wants it.
	Keep time.Duration

	// Cost says what was asked since the start and what it costs; "" is nothing
	// to say.
	Cost func() string
}

// errScoped is the answer to who may not see everything.
var errScoped = errors.New("the dashboard reads with a distributed engine, which shows everything or nothing: your role sees a part")

// errOne is the answer to who asks for one execution: its id does not tell the
// day, so the engine would read every day of the lake.
var errOne = errors.New("one execution is not looked for with a distributed engine, which would read every day of the lake for it: athenatrail who ID reads the lake itself")

// lakes hands out the lake as it is, and opens it anew when its files changed.
type lakes struct {
	o   Lake
	log *slog.Logger

	// warm asks of a snapshot what readers have asked before it.
	warm func(context.Context, *snapshot)

	mu  sync.Mutex
	now *snapshot

	looking sync.Mutex

	ended   context.Context // done when there is nothing to be held any more
	end     context.CancelFunc
	holding sync.WaitGroup
	held    atomic.Int32 // heldNot and its like
}

// What is known of held roll-ups.
const (
	heldNot    = iota // they have to be brought up to date
	heldMaking        // somebody makes them, behind the scenes
	heldReady         // they were made: the lake is to be opened with them
)

func newLakes(o Lake, log *slog.Logger) *lakes {
	s := &lakes{o: o, log: log}
	s.ended, s.end = context.WithCancel(context.Background())
	return s
}

// A snapshot is the lake at one version of its files. Views glob their files
// whenever they run, so rows of a running snapshot may be newer than it; what
// is remembered of answers ends with it.
type snapshot struct {
	version    string
	opened     time.Time
	engine     *Engine // nil: the DuckDB within the program
	lake       *lake.Lake
	ledger     *ledger.Ledger
	dir        string
	zone       *time.Location
	completeTo time.Time // zero when unknown
	since      time.Time // first day with rows; zero when there are none
	err        error     // why there is nothing to show
	held       string    // file of held roll-ups; "" without

	stale, days atomic.Int64 // days derived with other settings, of all; counted behind the scenes

	mu      sync.Mutex
	dbs     map[string]*report.DB
	answers map[string]*answer
	cells   int

	refs    int // guarded by lakes.mu
	retired bool
}

// An answer is a result that is being made or is remembered.
type answer struct {
	done   chan struct{}
	result *format.Result
	rows   [][]any
	found  *report.Found // of a page of executions
	err    error
}

// An asking makes an answer: a result, and what else there is of a page of
// executions.
type asking func(context.Context) (*format.Result, *report.Found, error)

// acquire returns the lake as it is; release must follow.
func (s *lakes) acquire(ctx context.Context) *snapshot {
	s.mu.Lock()
	if s.now == nil {
		s.mu.Unlock()
		s.look(ctx)
		s.mu.Lock()
	}
	defer s.mu.Unlock()
	s.now.refs++
	return s.now
}

func (s *lakes) release(x *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.refs--; x.refs == 0 && x.retired {
		x.close()
	}
}

func (s *lakes) close() {
	s.end()
	s.holding.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.now; x != nil {
		s.now, x.retired = nil, true
		if x.refs == 0 {
			x.close()
		}
	}
}

func (x *snapshot) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, db := range x.dbs {
		db.Close()
	}
	clear(x.dbs)
}

// watch looks at the lake again and again until ctx is done, and calls changed
// after it changed.
func (s *lakes) watch(ctx context.Context, every time.Duration, log *slog.Logger, changed func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Time{}
	for {
		// A copy of S3 costs requests: it is brought up to date less often,
		// unless that failed, when there may be none to show.
		if s.o.Refresh != nil && s.o.Engine == nil && time.Since(last) > max(every, time.Minute) {
			if err := s.o.Refresh(ctx); err == nil {
				last = time.Now()
			} else if ctx.Err() == nil {
				log.Warn("bring the copy of the lake up to date", "error", err)
			}
		}
		if s.look(ctx) {
			changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// maxWarming bounds how long readers see the lake as it was.
const maxWarming = 20 * time.Second

// look opens the lake if its files are not those of the snapshot, and reports
// whether it did.
func (s *lakes) look(ctx context.Context) bool {
	s.looking.Lock()
	defer s.looking.Unlock()
	s.mu.Lock()
	kept := s.o.Engine != nil && s.now != nil && s.now.err == nil && time.Since(s.now.opened) < s.o.Engine.Keep
	s.mu.Unlock()
	if kept {
		return false
	}
	version := s.version(ctx)
	s.mu.Lock()
	same := s.now != nil && s.now.version == version && s.held.Load() != heldReady
	s.mu.Unlock()
	if same {
		return false
	}
	x := s.open(ctx, version)
	if ctx.Err() != nil && x.err != nil {
		x.version = "" // a reader who went away tells nothing of the lake
	}
	s.mu.Lock()
	old := s.now
	s.mu.Unlock()
	// Readers see the lake as it was a moment longer, and then find what they
	// are used to ask answered.
	if old != nil && x.err == nil && s.warm != nil && s.o.Engine == nil {
		warming, cancel := context.WithTimeout(ctx, maxWarming)
		s.warm(warming, x)
		cancel()
	}
	s.mu.Lock()
	old = s.now
	s.now = x
	if old != nil {
		if old.retired = true; old.refs == 0 {
			old.close()
		}
	}
	s.mu.Unlock()
	if x.err == nil && s.o.Engine == nil {
		go x.countStale(context.WithoutCancel(ctx), s.o.Settings)
	}
	return true
}

// version is a text that changes when the lake does, or for an engine's lake in
// S3, when a collection run has ended or days were closed.
func (s *lakes) version(ctx context.Context) string {
	if s.o.Engine == nil || s.o.Origin == nil {
		return versionOf(s.o.Dir)
	}
	l, err := s.o.Origin(ctx)
	if err != nil {
		return "" // opening it says why
	}
	h := fnv.New128a()
	for _, prefix := range []string{"_ledger/v1/source/", "tables/boundary/", "manifest.json"} {
		for file, err := range l.List(ctx, prefix) {
			if err != nil {
				return ""
			}
			fmt.Fprintf(h, "%s %s\n", file.Key, file.ETag)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// files opens the lake of which a snapshot is.
func (s *lakes) files(ctx context.Context) (*lake.Lake, error) {
	if s.o.Engine != nil && s.o.Origin != nil {
		return s.o.Origin(ctx)
	}
	info, err := os.Stat(s.o.Dir)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s: not a folder", s.o.Dir)
	}
	store, err := lake.OpenStore(s.o.Dir)
	if err != nil {
		return nil, err
	}
	return lake.Open(ctx, store)
}

func (s *lakes) open(ctx context.Context, version string) *snapshot {
	x := &snapshot{
		version: version, opened: time.Now(), engine: s.o.Engine, dir: s.o.Dir, zone: s.o.Zone, dbs: map[string]*report.DB{}, answers: map[string]*answer{},
	}
	fail := func(err error) *snapshot { x.err = err; return x }
	var err error
	if x.lake, err = s.files(ctx); err != nil {
		return fail(err)
	}
	x.ledger = ledger.New(x.lake)
	if x.completeTo, _, err = x.ledger.CompleteTo(ctx); err != nil {
		return fail(err)
	}
	for file, err := range lake.Partitions(ctx, x.lake, lake.QueryExecutions, 0, 0) {
		if err != nil {
			return fail(err)
		}
		x.since = file.Date.Time()
		break
	}
	if s.o.Engine != nil {
		return x
	}
	x.held = s.hold(ctx)
	if _, err := x.db(ctx, report.Scope{}); err != nil {
		return fail(err)
	}
	return x
}

// hold brings held roll-ups up to date and returns their file. When there is
// much to read it does that behind the scenes, and the lake is opened again
// after it; until then nothing is held.
func (s *lakes) hold(ctx context.Context) string {
	if s.o.Held == "" || s.held.Load() == heldMaking {
		return ""
	}
	s.held.Store(heldNot)
	_, err := report.Hold(ctx, s.o.Dir, s.o.Held, s.o.Zone, false)
	switch {
	case err == nil:
		return s.o.Held
	case !errors.Is(err, report.ErrMuch):
		if ctx.Err() == nil {
			s.log.Warn("roll-ups are not held: pages take longer", "error", err)
		}
		return ""
	}
	s.held.Store(heldMaking)
	s.holding.Go(func() {
		_, err := report.Hold(s.ended, s.o.Dir, s.o.Held, s.o.Zone, true)
		switch {
		case err == nil:
			s.held.Store(heldReady)
		default:
			s.held.Store(heldNot)
			if s.ended.Err() == nil {
				s.log.Warn("roll-ups are not held: pages take longer", "error", err)
			}
		}
	})
	return ""
}

// countStale counts the days that were derived with other settings than
// today's. It opens every file, so nobody waits for it.
func (x *snapshot) countStale(ctx context.Context, settings *derive.Settings) {
	if settings == nil {
		return
	}
	hash := settings.Hash()
	for file, err := range lake.Partitions(ctx, x.lake, lake.QueryExecutions, 0, 0) {
		if err != nil {
			return
		}
		with, err := file.DerivedWith(ctx, x.lake, lake.QueryExecutions)
		if err != nil {
			continue // replaced meanwhile: the next snapshot counts again
		}
		x.days.Add(1)
		if with != hash {
			x.stale.Add(1)
		}
	}
}

// maxScopes bounds how many roles have the lake open at a time.
const maxScopes = 32

// errTooManyRoles says that more different roles are at work than there is
// room for.
var errTooManyRoles = errors.New("too many people with rows of their own are at work: try again in a moment")

// db returns the lake as a scope shows it.
func (x *snapshot) db(ctx context.Context, scope report.Scope) (*report.DB, error) {
	if x.engine != nil {
		if scope.Key() != (report.Scope{}).Key() {
			return nil, errScoped
		}
		return x.engine.DB, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	key := scope.Key()
	if db := x.dbs[key]; db != nil {
		return db, nil
	}
	if len(x.dbs) >= maxScopes {
		return nil, errTooManyRoles
	}
	db, err := report.OpenScoped(ctx, x.dir, report.Options{TimeZone: x.zone, Held: x.held}, scope)
	if err != nil {
		return nil, err
	}
	x.dbs[key] = db
	return db, nil
}

// maxCells bounds what is remembered of answers, in cells.
const maxCells = 2_000_000

// remember returns the answer to key, which ask is called for once however
// many ask at a time. Rows are shared: nobody may change them.
func (x *snapshot) remember(ctx context.Context, key string, ask asking) (*answer, error) {
	for {
		x.mu.Lock()
		a, ok := x.answers[key]
		if !ok {
			a = &answer{done: make(chan struct{})}
			x.answers[key] = a
			x.mu.Unlock()
			x.answer(ctx, key, a, ask)
			return a, a.err
		}
		x.mu.Unlock()
		select {
		case <-a.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// Who asked first may have gone away; then it is asked again.
		if a.err == nil || !errors.Is(a.err, context.Canceled) {
			return a, a.err
		}
	}
}

func (x *snapshot) answer(ctx context.Context, key string, a *answer, ask asking) {
	defer close(a.done)
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		if a.err != nil {
			delete(x.answers, key)
			return
		}
		x.cells += len(a.rows)*len(a.result.Columns) + 100
		if x.cells > maxCells { // what is under way must be found again by those who wait
			maps.DeleteFunc(x.answers, func(k string, other *answer) bool { return k != key && isDone(other) })
			x.cells = len(a.rows)*len(a.result.Columns) + 100
		}
	}()
	if a.result, a.found, a.err = ask(ctx); a.err == nil {
		a.rows, a.err = a.result.All()
	}
	if a.err != nil {
		a.result = nil
	}
}

func isDone(a *answer) bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// watched are the folders of which a lake's version is made, with how deep
// their own folders are looked at. Files are replaced by renaming, which
// changes the time of their folder.
var watched = []struct {
	dir   string
	depth int
}{{"tables", 2}, {"facts/query_texts", 1}, {"facts/catalog", 1}, {"facts/bill", 1}, {"facts/reference", 1}, {"_ledger/v1/source", 0}, {"_ledger/v1/dirty", 2}, {"manifest.json", 0}}

// versionOf returns a text that changes when a lake's files do.
func versionOf(dir string) string {
	h := fnv.New128a()
	var visit func(path string, depth int)
	visit = func(path string, depth int) {
		info, err := os.Stat(path)
		if err != nil {
			fmt.Fprintf(h, "%s -\n", path)
			return
		}
		fmt.Fprintf(h, "%s %d\n", path, info.ModTime().UnixNano())
		if !info.IsDir() || depth == 0 {
			return
		}
		entries, err := os.ReadDir(path)
		if err != nil {
			fmt.Fprintf(h, "%s ?\n", path)
			return
		}
		for _, e := range entries {
			if e.IsDir() || e.Type()&fs.ModeSymlink != 0 {
				visit(filepath.Join(path, e.Name()), depth-1)
			}
		}
	}
	for _, w := range watched {
		visit(filepath.Join(dir, filepath.FromSlash(w.dir)), w.depth)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
