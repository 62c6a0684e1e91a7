package powertest_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/compact"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/export"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/powertest"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/source"
)

var (
	firstDay = time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	now      = firstDay.AddDate(0, 0, 20)
)

func settings(t testing.TB) *derive.Settings {
	t.Helper()
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return &derive.Settings{Identity: people, Prices: prices}
}

// An athena gives each id the same answer whenever it is asked.
type athena struct{ account, region string }

func (athena) Of(_ context.Context, account, region string) (collect.Asker, error) {
	return athena{account, region}, nil
}

func (a athena) Details(_ context.Context, _ time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer] {
	return func(yield func(athenaapi.Answer) bool) {
		for _, w := range wanted {
			at := w.Started.Add(1500 * time.Millisecond)
			sql := "SELECT " + w.ID[len(w.ID)-1:] + " FROM clicks"
			d := athenatrail.Detail{
				Home: athenatrail.NewPartition(at, a.account, a.region), Kind: athenatrail.KindQueryExecution, ID: w.ID,
				Outcome: athenatrail.OutcomeAnswered, State: "SUCCEEDED", Final: true, SubmittedAt: at, TextHash: athenatrail.HashText(sql),
				Answer: fmt.Sprintf(`{"QueryExecutionId":%q,"StatementType":"DML","Statistics":{"DataScannedInBytes":123456789},"Status":{"State":"SUCCEEDED","SubmissionDateTime":%d.5}}`, w.ID, at.Unix()),
			}
			if !yield(athenaapi.Answer{Wanted: w, Detail: d, Text: &athenatrail.QueryText{Home: d.Home, TextHash: d.TextHash, QueryString: sql}}) {
				return
			}
		}
	}
}

// writeTrail writes log files of two accounts and two days, of which each has a
// start, a poll and the issue of a role's session.
func writeTrail(t testing.TB, dir string, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		account := []string{"111122223333", "444455556666"}[n%2]
		at := firstDay.AddDate(0, 0, n/2%2).Add(time.Duration(n) * time.Hour)
		start := fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::%[2]s:user/rosa","accountId":%[2]q,"accessKeyId":"AKIA","userName":"rosa"},"eventTime":%[3]q,"eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.7","userAgent":"x","requestParameters":{"workGroup":"w"},"responseElements":{"queryExecutionId":"11111111-2222-4333-8444-5555555555%02[1]d"},"eventID":"e-%[1]d","recipientAccountId":%[2]q}`,
			n, account, at.Format(time.RFC3339))
		issue := strings.NewReplacer("athena.amazonaws.com", "sts.amazonaws.com", "StartQueryExecution", "AssumeRole", `"eventID":"e-`, `"eventID":"i-`,
			fmt.Sprintf(`{"queryExecutionId":"11111111-2222-4333-8444-5555555555%02d"}`, n), fmt.Sprintf(`{"credentials":{"accessKeyId":"ASIA%d"}}`, n)).Replace(start)
		name := fmt.Sprintf("%s_CloudTrail_eu-west-1_%s_%016d.json", account, at.Format("20060102T1504Z"), n)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"Records":[`+start+","+issue+`]}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var runs atomic.Int64

// A job is what is done to a disk: two parts of a trail are collected, the days
// compacted, and the hours exported.
type job struct {
	trail    string // all of it
	first    string // of which this is a part
	settings *derive.Settings
	clock    time.Time
	jobs     int
}

func newJob(t testing.TB) *job {
	t.Helper()
	j := &job{trail: t.TempDir(), settings: settings(t), clock: now, jobs: 2}
	j.first = filepath.Join(j.trail, "first")
	if err := os.Mkdir(j.first, 0o777); err != nil {
		t.Fatal(err)
	}
	writeTrail(t, j.first, 0, 3)
	writeTrail(t, j.trail, 3, 6)
	return j
}

func (j *job) collect(ctx context.Context, store lake.Store, trail string) error {
	l, err := lake.Create(ctx, store)
	if err != nil {
		return err
	}
	src, err := source.Parse(ctx, trail, source.Deps{})
	if err != nil {
		return err
	}
	sum, err := collect.Run(ctx, collect.Options{
		Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Limits: cloudtrail.DefaultLimits,
		Settings: j.settings, Details: athena{}, Jobs: j.jobs, Now: j.clock, RunID: fmt.Sprintf("run-%d", runs.Add(1)),
	})
	if err == nil && sum.Incomplete() {
		err = fmt.Errorf("incomplete: %s", strings.Join(sum.Problems, "; "))
	}
	return err
}

func (j *job) compact(ctx context.Context, store lake.Store) error {
	l, err := lake.Open(ctx, store)
	if err != nil {
		return err
	}
	_, err = compact.Run(ctx, compact.Options{
		Lake: l, Builder: &rebuild.Builder{Lake: l, Settings: j.settings, Jobs: j.jobs}, RunID: fmt.Sprintf("compact-%d", runs.Add(1)),
		Now: j.clock, Before: athenatrail.DateOf(firstDay) + 2, Jobs: j.jobs,
	})
	return err
}

func (j *job) export(ctx context.Context, store, dest lake.Store) error {
	l, err := lake.Open(ctx, store)
	if err != nil {
		return err
	}
	_, err = export.Run(ctx, export.Options{Lake: l, Dest: dest, From: firstDay, To: firstDay.Add(8 * time.Hour), Incomplete: true})
	return err
}

// stores opens the lake and the place of exports.
type stores func(folder string) (lake.Store, error)

func (j *job) do(ctx context.Context, open stores) error {
	l, err := open("lake")
	if err != nil {
		return err
	}
	to, err := open("export")
	if err != nil {
		return err
	}
	if err := j.collect(ctx, l, j.first); err != nil {
		return fmt.Errorf("collect the first part: %w", err)
	}
	if err := j.collect(ctx, l, j.trail); err != nil {
		return fmt.Errorf("collect: %w", err)
	}
	if err := j.compact(ctx, l); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	if err := j.export(ctx, l, to); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// unsynced opens the stores of a folder.
func unsynced(dir string) stores {
	return func(folder string) (lake.Store, error) {
		return lake.OpenStoreOn(filepath.Join(dir, folder), powertest.Unsynced{})
	}
}

var updatedBy = regexp.MustCompile(`"updated_by": *"[^"]*"`)

// contents returns the hash of every file of the lake and of the export, the
// ledger too.
func contents(t testing.TB, open stores) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, folder := range []string{"lake", "export"} {
		store, err := open(folder)
		if err != nil {
			t.Fatal(err)
		}
		for f, err := range store.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			data, err := store.Read(t.Context(), f.Key)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(f.Key, "_ledger/v1/source/") { // it names the run
				data = updatedBy.ReplaceAll(data, nil)
			}
			sum := sha256.Sum256(data)
			files[folder+"/"+f.Key] = hex.EncodeToString(sum[:8])
		}
	}
	return files
}

// undisturbed is what the job makes of an empty disk.
func (j *job) undisturbed(t testing.TB) map[string]string {
	t.Helper()
	open := unsynced(t.TempDir())
	if err := j.do(t.Context(), open); err != nil {
		t.Fatal(err)
	}
	mustBeSound(t, open)
	want := contents(t, open)
	if len(want) < 30 {
		t.Fatalf("%d files: %v", len(want), want)
	}
	return want
}

// problems are what verifying the lake finds.
func problems(t testing.TB, open stores) (list []string) {
	t.Helper()
	store, err := open("lake")
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		return []string{err.Error()}
	}
	for p := range lake.Verify(t.Context(), l, "") {
		list = append(list, p.String())
	}
	return list
}

func mustBeSound(t testing.TB, open stores) {
	t.Helper()
	for _, p := range problems(t, open) {
		t.Errorf("verify: %s", p)
	}
}

func soaking() bool { return os.Getenv("ATHENATRAIL_SOAK") == "1" }

// TestPowerLoss loses power after every change that collecting, compacting and
// exporting make to a disk, in four models of what the disk then holds. What
// stores had said was done is there; and when the job is done again, lake, ledger
// and export are those of one that nobody disturbed.
func TestPowerLoss(t *testing.T) {
	j := newJob(t)
	want := j.undisturbed(t)
	disk := powertest.NewDisk(t.TempDir())
	if err := j.do(t.Context(), disk.Store); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contents(t, disk.Store)); diff != "" {
		t.Fatalf("recording changes the lake (-want +got):\n%s", diff)
	}
	n := disk.Len()
	for i := range n + 1 {
		if broken := disk.Broken(i); broken != nil {
			t.Fatalf("power lost after %d changes of %d, the last %q: %s", i, n, disk.Op(i-1), strings.Join(broken, ", "))
		}
	}
	states := 24
	if soaking() {
		states = math.MaxInt
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]bool{}
	moments, again := 0, 0
	for _, i := range random.Perm(n + 1) {
		if len(seen) >= states {
			break
		}
		moments++
		for _, model := range powertest.Models {
			dir := t.TempDir()
			if err := disk.Lose(i, model, random, dir); err != nil {
				t.Fatal(err)
			}
			// Most changes are to a file that has no name yet, and leave what
			// others left. What Torn leaves is another folder each time.
			state := fmt.Sprint(contents(t, unsynced(dir)))
			if seen[state] && model != powertest.Torn {
				continue
			}
			seen[state] = true
			again++
			if err := j.do(t.Context(), unsynced(dir)); err != nil {
				t.Fatalf("power lost after %d changes of %d, %s: %v", i, n, model, err)
			}
			mustBeSound(t, unsynced(dir))
			if diff := cmp.Diff(want, contents(t, unsynced(dir))); diff != "" || t.Failed() {
				t.Fatalf("power lost after %d changes of %d, %s: another lake (-want +got):\n%s", i, n, model, diff)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d changes; power lost at %d moments, %d different states, the job done again %d times; seed %d", n, moments, len(seen), again, seed)
}

// TestDiskFull lets a disk be full from some moment on, or for one moment, while
// the job is done: it ends with an error that says so, leaves nothing that
// takes room, and done again makes what nobody disturbed.
func TestDiskFull(t *testing.T) {
	j := newJob(t)
	want := j.undisturbed(t)
	moments := 12
	if soaking() {
		moments = 300
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	failed := 0
	for n := range moments {
		disk := powertest.NewDisk(t.TempDir())
		// The job needs some 400 times room, in an order that is never the same.
		from, once := random.IntN(400), n%2 == 1
		disk.Full = func(n int) bool { return n == from || n > from && !once }
		err := j.do(t.Context(), disk.Store)
		if err != nil {
			failed++
			if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left on device") {
				t.Errorf("full at %d: %v", from, err)
			}
		}
		err = filepath.WalkDir(disk.Dir(""), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(entry.Name(), ".tmp-") {
				t.Errorf("full at %d: left %s", from, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		disk.Full = nil
		if err := j.do(t.Context(), disk.Store); err != nil {
			t.Fatalf("full at %d, and then no longer: %v", from, err)
		}
		mustBeSound(t, disk.Store)
		if diff := cmp.Diff(want, contents(t, disk.Store)); diff != "" || t.Failed() {
			t.Fatalf("full at %d, and then no longer: another lake (-want +got):\n%s", from, diff)
		}
	}
	t.Logf("%d moments, %d of which ended a run; seed %d", moments, failed, seed)
	if failed < moments/2 {
		t.Errorf("%d of %d moments ended a run: the test shows nothing", failed, moments)
	}
}

// TestClockSteps does the job with a clock that goes back by an hour or forth
// by a day between its parts: what is read, kept and derived is the same.
func TestClockSteps(t *testing.T) {
	j := newJob(t)
	want := j.undisturbed(t)
	for _, steps := range [][]time.Duration{
		{0, -time.Hour, 0, -time.Hour}, {24 * time.Hour, 0, 24 * time.Hour}, {-time.Hour, 24 * time.Hour, -time.Hour, 0},
	} {
		open := unsynced(t.TempDir())
		for _, step := range steps {
			j.clock = now.Add(step)
			if err := j.do(t.Context(), open); err != nil {
				t.Fatalf("clock at %s: %v", j.clock, err)
			}
		}
		mustBeSound(t, open)
		if diff := cmp.Diff(want, contents(t, open)); diff != "" {
			t.Errorf("clock steps %v: another lake (-want +got):\n%s", steps, diff)
		}
	}
}

// TestPowerLossOfACopy loses power while the copy that reports read of a lake
// on S3 is made and brought up to date: the next copy is the lake's.
func TestPowerLossOfACopy(t *testing.T) {
	from, err := lake.OpenStoreOn(t.TempDir(), powertest.Unsynced{})
	if err != nil {
		t.Fatal(err)
	}
	disk := powertest.NewDisk(t.TempDir())
	files := map[string]string{
		"manifest.json": "{}", "tables/a_open/dt=2026-05-04/x.parquet": "one", "tables/a_open/dt=2026-05-04/y.parquet": "two",
		"tables/b_open/dt=2026-05-04/x.parquet": "three", "facts/notices/dt=2026-05-04/x.parquet": "four", "_ledger/v1/dirty/x": "",
	}
	for _, change := range []map[string]string{nil, {
		// Of the same size, new, gone with its folder, and gone.
		"tables/a_open/dt=2026-05-04/x.parquet": "eno", "tables/c_open/dt=2026-05-05/x.parquet": "five", "tables/b_open/dt=2026-05-04/x.parquet": "-", "_ledger/v1/dirty/x": "-",
	}} {
		maps.Copy(files, change)
		for key, data := range files {
			var err error
			if data == "-" {
				delete(files, key)
				err = from.Delete(t.Context(), key)
			} else {
				err = from.Update(t.Context(), key, func([]byte) ([]byte, error) { return []byte(data), nil })
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := lake.MirrorOn(t.Context(), from, disk.Dir("copy"), disk); err != nil {
			t.Fatal(err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("%d changes; seed %d", disk.Len(), seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := range disk.Len() + 1 {
		for _, model := range powertest.Models {
			dir := t.TempDir()
			if err := disk.Lose(i, model, random, dir); err != nil {
				t.Fatal(err)
			}
			dir = filepath.Join(dir, "copy")
			if err := lake.MirrorOn(t.Context(), from, dir, powertest.Unsynced{}); err != nil {
				t.Fatalf("power lost after %d changes of %d, %s: %v", i, disk.Len(), model, err)
			}
			got := map[string]string{}
			err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() || entry.Name()[0] == '.' {
					return err
				}
				data, err := os.ReadFile(path)
				rel, _ := filepath.Rel(dir, path)
				got[filepath.ToSlash(rel)] = string(data)
				return err
			})
			if diff := cmp.Diff(files, got); diff != "" || err != nil {
				t.Fatalf("power lost after %d changes of %d, %s: %v, another copy (-want +got):\n%s", i, disk.Len(), model, err, diff)
			}
		}
	}
}
