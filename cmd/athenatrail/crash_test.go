package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/s3test"
	"github.com/athenatrail/athenatrail/internal/standing"
)

// A place is where a lake, or what is exported, can lie.
type place interface {
	// folder returns a new one: what the program is told, with which
	// environment, and the store that is there.
	folder(t testing.TB) (location string, env []string, store lake.Store)
}

type disk struct{}

func (disk) folder(t testing.TB) (string, []string, lake.Store) {
	dir := filepath.Join(t.TempDir(), "lake")
	return dir, nil, diskLake(t, dir)
}

type bucket struct{ server *s3test.Server }

func (b bucket) folder(t testing.TB) (string, []string, lake.Store) {
	name := b.server.Bucket(t)
	return "s3://" + name + "/a/lake", s3Env(b.server, b.server.Endpoint), s3Lake(t, b.server, name, "a/lake")
}

// A crash is a command that is killed, on a store of its own.
type crash struct {
	command func() *exec.Cmd

	// state is what there is to see from outside: by it a kill that came when
	// something was done and something was not is told from others.
	state func() string

	// killed is what must hold after a kill, or what time would have done.
	killed func(t testing.TB)

	// ended is what must hold once a run came to its end.
	ended func(t testing.TB)
}

// crashes are the commands that are killed, and how often for each place
// without ATHENATRAIL_SOAK.
var crashes = []struct {
	name  string
	kills int
	// scenes returns what makes a new crash in a place.
	scenes func(t *testing.T) func(testing.TB, place) *crash
}{
	{"collect", 6, killedCollect},
	{"export", 2, killedExport},
	{"lake compact", 4, killedCompact},
	{"limits apply", 3, killedApply},
}

// TestKilled kills the program at random moments, lets it run again, kills it
// again, and in the end lets it finish: what there is then is what one run makes
// that nobody disturbed. The lake lies on disk, and on S3, where a killed process
// may leave a write whose answer nobody saw.
func TestKilled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, c := range crashes {
		t.Run(c.name, func(t *testing.T) {
			scene := c.scenes(t)
			t.Run("on disk", func(t *testing.T) { killUntil(t, random, c.kills, disk{}, scene) })
			t.Run("on S3", func(t *testing.T) {
				killUntil(t, random, (c.kills+1)/2, bucket{s3test.Start(t)}, scene)
			})
		})
	}
}

// killUntil kills so many runs, in one scene after the other. A run that ends
// before it is killed is a kill that did not happen.
func killUntil(t *testing.T, random *rand.Rand, kills int, where place, scene func(testing.TB, place) *crash) {
	t.Helper()
	switch {
	case soaking():
		kills = 25
	case testing.Short():
		kills = 1
	}
	took, first := undisturbedRun(t, scene(t, where))
	killed, between, scenes, finished := 0, 0, 0, 0
	for killed < kills && !t.Failed() {
		c := scene(t, where)
		scenes++
		// The longer a lake is killed, the less is left to do: kill it up to
		// four times and begin with a new one.
		for n := 1 + random.IntN(4); n > 0 && killed < kills; n-- {
			before := c.state()
			cmd := c.command()
			start := time.Now()
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// Mostly after it has begun to change something, whenever that is.
			wait, chance := time.Duration(0), random.Float64()
			if random.IntN(4) == 0 {
				wait = time.Duration(1.05 * chance * float64(took))
			}
			done := make(chan struct{})
			var killing sync.WaitGroup
			killing.Go(func() {
				if wait == 0 {
					changes(c, before, done)
					wait = time.Duration(1.05 * chance * float64(took-min(first, took)))
				}
				select {
				case <-time.After(wait):
					cmd.Process.Kill()
				case <-done:
				}
			})
			err := cmd.Wait()
			close(done)
			killing.Wait()
			if cmd.ProcessState.Exited() {
				if err != nil {
					t.Fatalf("the run after %d kills: %v", killed, err)
				}
				finished++
				took = min(took, time.Since(start)) // the machine was busier when that was measured
				c.ended(t)
				break
			}
			killed++
			if c.state() != before {
				between++
			}
			c.killed(t)
		}
		ended(t, c.command()).mustEnd(t, 0)
		c.ended(t)
	}
	t.Logf("%d kills in %d lakes, %d when something was done already; %d runs ended before they were killed", killed, scenes, between, finished)
}

// changes returns when a command has changed something, or is done.
func changes(c *crash, before string, done <-chan struct{}) {
	for c.state() == before {
		select {
		case <-done:
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// undisturbedRun lets a command come to its end, and returns when it did and
// when it had first changed something.
func undisturbedRun(t *testing.T, c *crash) (took, first time.Duration) {
	t.Helper()
	before := c.state()
	start := time.Now()
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		changes(c, before, done)
		first = time.Since(start)
	})
	r := ended(t, c.command())
	took = time.Since(start)
	close(done)
	watching.Wait()
	r.mustEnd(t, 0)
	c.ended(t)
	return took, first
}

var updatedBy = regexp.MustCompile(`"updated_by": *"[^"]*"`)

// everything returns the hashes of all files of a store, but for what names a
// run: marks of days, which are to be gone when a lake is sound, and who last
// read a source.
func everything(t testing.TB, store lake.Store) map[string]string {
	t.Helper()
	files := map[string]string{}
	for f, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(f.Key, "_ledger/v1/dirty/") {
			continue
		}
		data, err := store.Read(t.Context(), f.Key)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(f.Key, "_ledger/v1/source/") {
			data = updatedBy.ReplaceAll(data, nil)
		}
		files[f.Key] = hash(data)
	}
	return files
}

// names returns the names, times and sizes of the files of a store.
func names(t testing.TB, store lake.Store) string {
	t.Helper()
	var b strings.Builder
	for f, err := range store.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, f.Key, f.ETag)
	}
	return b.String()
}

// copyLake makes to what from is.
func copyLake(t testing.TB, from, to lake.Store) {
	t.Helper()
	for f, err := range from.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := from.Read(t.Context(), f.Key)
		if err == nil {
			err = to.Put(t.Context(), f.Key, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// collected returns a story, and the lake on disk of one whole run.
func collected(t *testing.T) (*story, lake.Store) {
	t.Helper()
	s := newStory(t, 1500, "26", "27")
	location, _, store := disk{}.folder(t)
	ended(t, program(t, t.Context(), pinnedProgram, nil, s.args(s.trail, location)...)).mustEnd(t, 0)
	mustBeSound(t, store)
	if n := len(contents(t, store)); n < 30 {
		t.Fatalf("the undisturbed lake has %d files", n)
	}
	return s, store
}

// killedCollect collects two days.
func killedCollect(t *testing.T) func(testing.TB, place) *crash {
	s, undisturbed := collected(t)
	want := everything(t, undisturbed)
	return func(t testing.TB, where place) *crash {
		location, env, store := where.folder(t)
		return &crash{
			command: func() *exec.Cmd { return program(t, t.Context(), pinnedProgram, env, s.args(s.trail, location)...) },
			state:   func() string { return names(t, store) },
			killed:  func(testing.TB) {},
			ended: func(t testing.TB) {
				mustBeSound(t, store)
				mustEqual(t, want, everything(t, store))
			},
		}
	}
}

// killedExport writes the hours of a day and a half. The lake lies where the
// files go.
func killedExport(t *testing.T) func(testing.TB, place) *crash {
	_, made := collected(t)
	var want map[string]string // of the first run, on disk, which nobody disturbs
	return func(t testing.TB, where place) *crash {
		from, env, store := where.folder(t)
		copyLake(t, made, store)
		lakeBefore := everything(t, store)
		to, _, dest := where.folder(t)
		return &crash{
			command: func() *exec.Cmd {
				return program(t, t.Context(), "athenatrail", env, "export", "--lake", from, "--dest", to, "--columns", "all,query_string",
					"--from", "2026-10-26", "--to", "2026-10-27T12:00:00Z", "--incomplete")
			},
			state:  func() string { return names(t, dest) },
			killed: func(testing.TB) {},
			ended: func(t testing.TB) {
				got := everything(t, dest)
				if want == nil {
					want = got
				}
				if len(got) != 36 {
					t.Errorf("%d files for 36 hours", len(got))
				}
				mustEqual(t, want, got)
				mustEqual(t, lakeBefore, everything(t, store))
			},
		}
	}
}

// compactArgs close all days of a story's lake.
func compactArgs(location string, more ...string) []string {
	return append([]string{"lake", "compact", "--lake", location, "--before", "2026-10-29"}, more...)
}

// killedCompact closes all days. No open file is left, and the lake is sound
// after each kill too.
func killedCompact(t *testing.T) func(testing.TB, place) *crash {
	_, made := collected(t)
	var want map[string]string
	return func(t testing.TB, where place) *crash {
		location, env, store := where.folder(t)
		copyLake(t, made, store)
		return &crash{
			command: func() *exec.Cmd {
				return program(t, t.Context(), "athenatrail", env, compactArgs(location, "--grace", "0s")...)
			},
			state:  func() string { return names(t, store) },
			killed: func(t testing.TB) { mustBeSound(t, store) },
			ended: func(t testing.TB) {
				got := everything(t, store)
				for key := range got {
					if strings.HasPrefix(key, "tables/") && strings.Contains(key, "_open/") {
						t.Errorf("left: %s", key)
					}
				}
				if want == nil {
					want = got
				}
				mustBeSound(t, store)
				mustEqual(t, want, got)
			},
		}
	}
}

// killedApply lets rosa come to 240 % of a limit with a query that runs: three
// messages, one stop, one block. A call or a message may come again if the run
// that sent it was killed before it noted the answer, and never otherwise.
func killedApply(t *testing.T) func(testing.TB, place) *crash {
	d := newLimitsDay(t)
	return func(t testing.TB, where place) *crash {
		location, env, store := where.folder(t)
		id := d.anew(t, location, env)
		run(t, d.env, "collect", "--config", d.config, "-q").mustEnd(t, 0)
		stops := d.api.Counts("StopQueryExecution").Requests
		told := 0
		mayComeAgain := map[string]int{} // what killed runs have sent
		kills := 0

		// sent returns what was sent since it was last asked.
		sent := func() map[string]int {
			now := map[string]int{"stop": d.api.Counts("StopQueryExecution").Requests - stops}
			stops += now["stop"]
			d.mu.Lock()
			defer d.mu.Unlock()
			for _, text := range d.messages[told:] {
				for _, what := range threshold.FindAllString(text, -1) {
					now[what]++
				}
			}
			told = len(d.messages)
			return now
		}
		all := map[string]int{}
		count := func(killed bool) {
			for what, n := range sent() {
				all[what] += n
				if killed {
					mayComeAgain[what] += n
				}
			}
		}
		command := func() *exec.Cmd {
			return program(t, t.Context(), "athenatrail", d.env, "limits", "apply", "--config", d.config, "--output", "jsonl")
		}
		return &crash{
			command: command,
			state:   func() string { return names(t, store) + d.policy() + fmt.Sprint(d.told()) },
			killed: func(t testing.TB) {
				kills++
				count(true)
				ageLimits(t, store)
				age(t, store)
			},
			ended: func(t testing.TB) {
				count(false)
				for _, what := range []string{"stop", "(told at 50 %)", "(told at 100 %)", "(told at 120 %)"} {
					if n := all[what]; n < 1 || n > 1+mayComeAgain[what] {
						t.Errorf("%s %d times, %d of them by runs that were killed", what, n, mayComeAgain[what])
					}
				}
				if len(all) != 4 {
					t.Errorf("sent %v", all)
				}
				if policy := d.policy(); strings.Count(policy, "AthenatrailBlock") != 1 {
					t.Errorf("the policy has not one statement: %s", policy)
				}
				done := map[string]int{}
				for _, a := range limitActions(t, store) {
					if a.Outcome == athenatrail.OutcomeDone {
						done[a.Action+" "+a.Threshold]++
					} else if a.Outcome != athenatrail.OutcomeBegun {
						t.Errorf("history: %s %s: %s", a.Action, a.Outcome, a.Message)
					}
				}
				if len(done) != 5 {
					t.Errorf("history of %s: %v", id, done)
				}
				for what, n := range done {
					// What was called again by the run after one that was killed
					// before it had noted the answer stands there for each, and
					// what was told by the dead one and noted as told by both.
					if n > 1+kills || strings.HasPrefix(what, "stop") && n > 1+mayComeAgain["stop"] {
						t.Errorf("history of %s: %s is done %d times after %d kills", id, what, n, kills)
					}
				}
				for _, n := range notices(t, store) {
					if n.State != athenatrail.NoticeSent {
						t.Errorf("notice %s is %s", n.MessageKey, n.State)
					}
				}
				mustBeSound(t, store)

				// Another run finds nothing to do.
				before := names(t, store)
				if r := ended(t, command()).mustEnd(t, 0); r.stdout != "" || names(t, store) != before {
					t.Errorf("the next run did %s, or wrote", r.stdout)
				}
				if again := sent(); again["stop"] > 0 || len(again) > 1 {
					t.Errorf("the next run sent %v", again)
				}
			},
		}
	}
}

var threshold = regexp.MustCompile(`\(told at \d+ %\)`)

// anew begins another day of the same account: an empty trail and lake, and one
// query of rosa's, whose id is returned.
func (d *limitsDay) anew(t testing.TB, location string, env []string) string {
	t.Helper()
	d.mu.Lock()
	d.messages = nil
	d.mu.Unlock()
	if d.policy() != "" {
		if _, err := d.iam.DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: aws.String(limitsRole), PolicyName: aws.String("athenatrail-limits")}); err != nil {
			t.Fatal(err)
		}
	}
	d.days++
	d.trail, d.lake, d.env = t.TempDir(), location, append(d.environment(), env...)
	d.now = time.Now().UTC()
	d.allow("100 GB")
	return d.query(d.days, "rosa@example.com", 40*time.Minute, time.Hour, 240e9)
}

// ageLimits lets the lease and what was begun be as old as they are when
// another run may go on.
func ageLimits(t testing.TB, store lake.Store) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	_, err = standing.Update(t.Context(), l, func(s *standing.State) error {
		if s.Lease != nil {
			s.Lease.Until = s.Lease.Until.Add(-10 * time.Minute)
		}
		for _, a := range s.Acts {
			a.At = a.At.Add(-10 * time.Minute)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// limitActions returns the history of a lake.
func limitActions(t testing.TB, store lake.Store) (list []*athenatrail.LimitAction) {
	t.Helper()
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	for file, err := range lake.Partitions(t.Context(), l, lake.LimitActions, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for row, err := range lake.Read(t.Context(), l, lake.LimitActions, file.Partition) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, row)
		}
	}
	return list
}

// TestKilledBetweenFactsAndMarks is the moment that random kills hardly hit: a
// run that died after it had written facts and before it had marked the days.
// Nothing but the log file's absence from the ledger tells that it happened.
func TestKilledBetweenFactsAndMarks(t *testing.T) {
	s := newStory(t, 1500, "26", "27")
	want, _ := s.undisturbed(t)
	dir := t.TempDir()
	again := func() { ended(t, program(t, t.Context(), pinnedProgram, nil, s.args(s.trail, dir)...)).mustEnd(t, 0) }
	again()
	for _, gone := range []string{"tables", "_ledger"} {
		if err := os.RemoveAll(filepath.Join(dir, gone)); err != nil {
			t.Fatal(err)
		}
	}
	again()
	store := diskLake(t, dir)
	mustBeSound(t, store)
	mustEqual(t, want, contents(t, store))
}
