package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/lookup/lookuptest"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// An outage is AWS on a bad day: every tenth call to any of its services fails
// in one of the ways that calls fail in.
type outage struct {
	mu     sync.Mutex
	random *rand.Rand
	calls  int
	failed map[fault]int
	over   bool
}

// outages are the ways. An answer that is shorter than the truth and looks whole
// is among them: it is found by what is in it, or by its checksum.
var outages = []fault{internal, slowDown, cutBefore, cutAfter, cutInBody, longLength, shortLength, slow}

func newOutage(t *testing.T) *outage {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	o := &outage{random: rand.New(rand.NewPCG(seed, 0)), failed: map[fault]int{}}
	t.Cleanup(func() {
		all := 0
		for _, kind := range outages {
			all += o.failed[kind]
		}
		t.Logf("%d calls, %d of them failed: %v", o.calls, all, o.failed)
		if o.calls > 0 && all == 0 {
			t.Errorf("%d of %d calls failed: the test shows nothing", all, o.calls)
		}
	})
	return o
}

func (o *outage) choose(*http.Request, int) fault {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return none
	}
	o.calls++
	if o.random.IntN(10) > 0 {
		return none
	}
	kind := outages[o.random.IntN(len(outages))]
	o.failed[kind]++
	return kind
}

// during runs do while calls fail, and then no longer.
func (o *outage) during(fail bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = !fail
}

// front is where a service is reached through the outage.
func (o *outage) front(t *testing.T, endpoint string) string {
	return newFaulty(t, endpoint, o.choose).URL
}

// patience is how long a command may take of which every tenth call fails.
const patience = 3 * time.Minute

// survive runs a command until it says that all is well, which on a bad day may
// take several runs. Each ends in time, and what it says of its end is a sentence.
func survive(t *testing.T, command func(context.Context) *exec.Cmd) result {
	t.Helper()
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		r := ended(t, command(ctx))
		late := ctx.Err() != nil
		cancel()
		if late {
			t.Fatalf("it did not end within %s: %s", patience, r.stderr)
		}
		if r.code == 0 {
			if try > 1 {
				t.Logf("it took %d runs", try)
			}
			return r
		}
		mustBeSentences(t, r)
		t.Logf("run %d: exit code %d: %.300s", try, r.code, r.stderr)
		if try == 10 {
			t.Fatalf("%d runs failed, the last with %d: %s", try, r.code, r.stderr)
		}
	}
}

var odd = regexp.MustCompile(`panic|goroutine \d|%!|0x[0-9a-f]{6}|nil pointer|RequestID: *,|exceeded maximum number of attempts`)

// mustBeSentences fails the test unless a run that failed says so in lines that
// a person can read.
func mustBeSentences(t testing.TB, r result) {
	t.Helper()
	if r.code != 1 && r.code != 3 {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	if !strings.Contains(r.stderr, "athenatrail: error: ") && !strings.Contains(r.stderr, "athenatrail: warning: ") {
		t.Errorf("exit code %d, and no error or warning: %s", r.code, r.stderr)
	}
	for line := range strings.Lines(r.stderr) {
		if odd.MatchString(line) || len(line) > 1000 {
			t.Errorf("it said %q", line)
		}
	}
}

// TestEveryTenthCallFails lets every tenth call to AWS fail, whichever it is and
// whoever makes it. The command is run again until it is content. Nothing is
// lost, nothing is there or done twice, and each run ends in time with sentences.
func TestEveryTenthCallFails(t *testing.T) {
	server := s3test.Start(t)
	s, made := collected(t)
	onS3 := bucket{server}
	// begin copies the lake of the story into a bucket that fails.
	type failing struct {
		*outage
		location string
		env      []string
	}
	begin := func(t *testing.T) (failing, func() map[string]string) {
		o := newOutage(t)
		location, _, store := onS3.folder(t)
		copyLake(t, made, store)
		return failing{o, location, s3Env(server, o.front(t, server.Endpoint))}, func() map[string]string {
			mustBeSound(t, store)
			return everything(t, store)
		}
	}

	t.Run("collect", func(t *testing.T) {
		t.Parallel() // they wait more than they work
		o := newOutage(t)
		trail := server.Bucket(t)
		upload(t, server, trail, s.trail)
		location, _, store := onS3.folder(t)
		env := s3Env(server, o.front(t, server.Endpoint))
		args := s.args("s3://"+trail, location)
		args[len(args)-1] = o.front(t, s.api.URL)
		// It does not make the program's sentences.
		tries := 0
		for {
			tries++
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			r := ended(t, program(t, ctx, pinnedProgram, env, args...))
			late := ctx.Err() != nil
			cancel()
			if late || r.code < 0 || tries == 10 {
				t.Fatalf("run %d: exit code %d: %s", tries, r.code, r.stderr)
			}
			if r.code == 0 {
				break
			}
			t.Logf("run %d: %.300s", tries, r.stderr)
		}
		mustBeSound(t, store)
		mustEqual(t, contents(t, made), contents(t, store))
	})
	t.Run("collect from LookupEvents", func(t *testing.T) {
		t.Parallel() // they wait more than they work
		day := weekday()
		var events []lookuptest.Event
		for n, run := range recentRuns {
			if n == 0 {
				continue
			}
			e, err := lookuptest.ParseEvent([]byte(recentRecord(day, n, run)))
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		history, err := lookuptest.Start(lookuptest.Config{
			Caller:   func(string) (lookuptest.Caller, bool) { return lookuptest.Caller{Account: recentAccount}, true },
			Rate:     lookuptest.Rate{PerSecond: 100, Burst: 100},
			PageSize: func(int) int { return 1 },
		}, events...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { history.Close() })
		api, err := athenaapitest.Start(recentAPI(day, true))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { api.Close() })
		o := newOutage(t)
		athena := o.front(t, api.URL)
		env := append(athenaEnv(athena), "AWS_ENDPOINT_URL_CLOUDTRAIL="+o.front(t, history.URL))
		args := func(dir string) []string {
			return []string{"collect", "--source", "lookup-events", "--lake", dir, "--region", recentRegion,
				"--from", day.Format(time.DateOnly), "--to", day.AddDate(0, 0, 1).Format(time.DateOnly)}
		}
		healthy := filepath.Join(t.TempDir(), "lake")
		o.during(false)
		run(t, env, args(healthy)...).mustEnd(t, 0)
		o.during(true)
		for range 5 {
			dir := filepath.Join(t.TempDir(), "lake")
			survive(t, func(ctx context.Context) *exec.Cmd { return program(t, ctx, "athenatrail", env, args(dir)...) })
			mustBeSound(t, diskLake(t, dir))
			mustEqual(t, contents(t, diskLake(t, healthy)), contents(t, diskLake(t, dir)))
		}
	})
	t.Run("export", func(t *testing.T) {
		t.Parallel() // they wait more than they work
		lake, _ := begin(t)
		args := []string{"export", "--columns", "all,query_string", "--from", "2026-10-26", "--to", "2026-10-27", "--incomplete", "--lake", lake.location, "--dest"}
		to, _, dest := onS3.folder(t)
		dir, _, healthy := disk{}.folder(t)
		lake.during(false)
		run(t, lake.env, append(args, dir)...).mustEnd(t, 0)
		lake.during(true)
		survive(t, func(ctx context.Context) *exec.Cmd {
			return program(t, ctx, "athenatrail", lake.env, append(args, to)...)
		})
		mustEqual(t, everything(t, healthy), everything(t, dest))
	})
	t.Run("lake compact", func(t *testing.T) {
		t.Parallel() // they wait more than they work
		lake, files := begin(t)
		dir, _, healthy := disk{}.folder(t)
		copyLake(t, made, healthy)
		run(t, nil, compactArgs(dir, "--grace", "0s")...).mustEnd(t, 0)
		survive(t, func(ctx context.Context) *exec.Cmd {
			return program(t, ctx, "athenatrail", lake.env, compactArgs(lake.location, "--grace", "0s")...)
		})
		mustEqual(t, everything(t, healthy), files())
	})
	t.Run("limits apply", func(t *testing.T) {
		t.Parallel() // they wait more than they work
		d := newLimitsDay(t)
		o := newOutage(t)
		location, _, store := onS3.folder(t)
		d.anew(t, location, s3Env(server, o.front(t, server.Endpoint)))
		for i, kv := range d.env {
			for _, service := range []string{"ATHENA", "STS", "IAM"} {
				if endpoint, ok := strings.CutPrefix(kv, "AWS_ENDPOINT_URL_"+service+"="); ok {
					d.env[i] = "AWS_ENDPOINT_URL_" + service + "=" + o.front(t, endpoint)
				}
			}
		}
		o.during(false)
		run(t, d.env, "collect", "--config", d.config, "-q").mustEnd(t, 0)
		o.during(true)
		done := func() map[string]int {
			n := map[string]int{}
			for _, a := range limitActions(t, store) {
				if a.Outcome == athenatrail.OutcomeDone {
					n[a.Action]++
				}
			}
			return n
		}
		for range 5 {
			survive(t, func(ctx context.Context) *exec.Cmd {
				return program(t, ctx, "athenatrail", d.env, "limits", "apply", "--config", d.config)
			})
			// Who answered too late, or took over from whom: two minutes go by.
			ageLimits(t, store)
			age(t, store)
		}
		if got := fmt.Sprint(done()); got != "map[block:1 notify:3 stop:1]" {
			t.Errorf("done: %s", got)
		}
		if policy := d.policy(); strings.Count(policy, "AthenatrailBlock") != 1 {
			t.Errorf("the policy has not one statement: %s", policy)
		}
		all := strings.Join(d.messages, "\n")
		for _, text := range []string{"(told at 50 %)", "(told at 100 %)", "(told at 120 %)"} {
			if n := strings.Count(all, text); n != 1 {
				t.Errorf("%s: %d times", text, n)
			}
		}
		mustBeSound(t, store)
	})
	t.Run("reports", func(t *testing.T) {
		t.Parallel() // they wait more than they work
		lake, files := begin(t)
		before := files()
		dir, _, healthy := disk{}.folder(t)
		copyLake(t, made, healthy)
		for _, args := range [][]string{
			{"report", "overview", "--from", "2026-10-20", "--to", "2026-11-01", "--output", "csv"},
			{"report", "users", "--from", "2026-10-20", "--to", "2026-11-01", "--output", "json"},
			{"query", "SELECT * FROM query_executions ORDER BY event_id", "--output", "csv"},
			{"lake", "verify"},
		} {
			want := run(t, nil, append(args, "--lake", dir)...).mustEnd(t, 0)
			got := survive(t, func(ctx context.Context) *exec.Cmd {
				return program(t, ctx, "athenatrail", lake.env, append(args, "--lake", lake.location)...)
			})
			if got.stdout != want.stdout {
				t.Errorf("%v:\n%s\nwant\n%s", args, got.stdout, want.stdout)
			}
		}
		mustEqual(t, before, files())
	})
	t.Run("digest", func(t *testing.T) {
		t.Parallel() // they wait more than they work
		lake, _ := begin(t)
		h := newHook(t)
		file := h.configuration(t)
		for range 2 {
			survive(t, func(ctx context.Context) *exec.Cmd {
				return program(t, ctx, "athenatrail", lake.env, "digest", "--send", "--period", "day", "--lake", lake.location, "--config", file)
			})
		}
		if n := len(h.got()); n != 1 {
			t.Errorf("the digest was sent %d times", n)
		}
	})
	t.Run("serve", func(t *testing.T) {
		t.Parallel() // they wait more than they work
		lake, _ := begin(t)
		dir, _, healthy := disk{}.folder(t)
		copyLake(t, made, healthy)
		client := &http.Client{Timeout: patience}
		page := func(url string) (int, string) {
			answer, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			return answer.StatusCode, string(body)
		}
		const what = "/api/v1/views/users?from=2026-10-20&to=2026-11-01&format=csv"
		well, _ := serving(t, nil, "--lake", dir)
		status, want := page(well + what)
		if status != http.StatusOK || len(want) < 100 {
			t.Fatalf("%s: status %d, %s", what, status, want)
		}
		badly, _ := serving(t, lake.env, "--lake", lake.location)
		// Until the copy is there, and when it cannot be made, pages say so.
		right, wrong := 0, 0
		for deadline := time.Now().Add(patience); right < 10; time.Sleep(100 * time.Millisecond) {
			switch status, got := page(badly + what); {
			case status == http.StatusOK && got == want:
				right++
			case status < http.StatusInternalServerError || !strings.Contains(got, `"error":`):
				t.Fatalf("status %d, and other rows: %s", status, got)
			case time.Now().After(deadline):
				t.Fatalf("after %s: %s", patience, got)
			default:
				wrong++
			}
		}
		t.Logf("10 pages were right, %d before said that they are not", wrong)
	})
}

// serving starts the dashboard, and returns its address and process. It is
// stopped at the end as a service manager stops it.
func serving(t *testing.T, env []string, args ...string) (url string, process *os.Process) {
	t.Helper()
	cmd := program(t, context.Background(), "athenatrail", env, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
		defer timer.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve ended with %v", err)
		}
	})
	said := bufio.NewScanner(talk)
	for said.Scan() {
		if found := regexp.MustCompile(`the dashboard is at (http://\S+)/ `).FindStringSubmatch(said.Text()); found != nil {
			go io.Copy(io.Discard, talk)
			return found[1], cmd.Process
		}
	}
	t.Fatalf("serve does not say where it is: %s", said.Text())
	return "", nil
}
