package forget_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/forget"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/rebuild"
	"github.com/athenatrail/athenatrail/internal/redact"
	"github.com/athenatrail/athenatrail/internal/source"
)

const account, region = "111122223333", "eu-west-1"

var (
	now   = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	first = time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
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

// A run of the invented company: rosa and ines are users of their own, omar
// asks through Redash, whose user is shared.
type run struct {
	id, user, sql string
	when          time.Time
}

func company() (all []run) {
	for day := range 4 {
		for i, r := range []run{
			{user: "rosa", sql: "SELECT * FROM shop.orders WHERE name = 'for rosa'"},
			{user: "ines", sql: "SELECT count(*) FROM shop.orders"},
			{user: "rosa", sql: "SELECT count(*) FROM shop.orders"},
			{user: "redash", sql: "/* Username: omar@example.com, query_id: 12, Queue: queries, Job ID: 1, Query Hash: 0123456789abcdef0123456789abcdef, Scheduled: False */ SELECT a FROM shop.orders"},
			{user: "redash", sql: "/* Username: ines@example.com, query_id: 13, Queue: queries, Job ID: 2, Query Hash: 0123456789abcdef0123456789abcdef, Scheduled: False */ SELECT b FROM shop.orders"},
		} {
			r.id = fmt.Sprintf("11111111-2222-4333-8444-55555555%02d%02d", day, i)
			r.when = first.AddDate(0, 0, day).Add(time.Duration(10+i) * time.Hour)
			if i == 2 { // Athena takes it on the other side of midnight
				r.when = first.AddDate(0, 0, day+1).Add(-time.Second)
			}
			all = append(all, r)
		}
	}
	return all
}

func (r run) record(event string) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE%[6]s","arn":"arn:aws:iam::%[2]s:user/%[1]s","accountId":%[2]q,"accessKeyId":"AKIA%[1]s","userName":%[1]q},"eventTime":%[3]q,"eventSource":"athena.amazonaws.com","eventName":%[4]q,"awsRegion":%[5]q,"sourceIPAddress":"203.0.113.7","userAgent":"x","requestParameters":{"workGroup":"w","queryExecutionId":%[7]q},"responseElements":{"queryExecutionId":%[7]q},"eventID":"%[4]s-%[7]s","recipientAccountId":%[2]q}`,
		r.user, account, r.when.Format(time.RFC3339), event, region, strings.ToUpper(r.user), r.id)
}

func writeTrail(t testing.TB, dir string) {
	t.Helper()
	var records []string
	for _, r := range company() {
		records = append(records, r.record("StartQueryExecution"), r.record("GetQueryExecution"))
	}
	records = append(records, fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%[1]s:user/rosa","accountId":%[1]q,"accessKeyId":"AKIArosa","userName":"rosa"},"eventTime":"2026-05-05T09:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","awsRegion":%[2]q,"requestParameters":{"roleArn":"arn:aws:iam::%[1]s:role/etl","roleSessionName":"rosa"},"responseElements":{"credentials":{"accessKeyId":"ASIA1"}},"eventID":"sts-1","recipientAccountId":%[1]q}`, account, region))
	name := filepath.Join(dir, account+"_CloudTrail_"+region+"_20260509T0000Z_0000000000000000.json")
	if err := os.WriteFile(name, []byte(`{"Records":[`+strings.Join(records, ",")+`]}`), 0o644); err != nil {
		t.Fatal(err)
	}
}

type athena struct{}

func (athena) Of(context.Context, string, string) (collect.Asker, error) { return athena{}, nil }

func (athena) Details(_ context.Context, _ time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer] {
	return func(yield func(athenaapi.Answer) bool) {
		for _, w := range wanted {
			for _, r := range company() {
				if r.id != w.ID {
					continue
				}
				submitted := r.when.Add(1500 * time.Millisecond)
				a := athenaapi.Answer{Wanted: w, Detail: athenatrail.Detail{
					Home: athenatrail.NewPartition(submitted, account, region), Kind: athenatrail.KindQueryExecution, ID: w.ID,
					Outcome: athenatrail.OutcomeAnswered, State: "SUCCEEDED", Final: true, SubmittedAt: submitted, TextHash: athenatrail.HashText(r.sql),
					Answer: fmt.Sprintf(`{"QueryExecutionId":%q,"StatementType":"DML","Statistics":{"DataScannedInBytes":1000000000},"Status":{"State":"SUCCEEDED","SubmissionDateTime":%d.5}}`, w.ID, submitted.Unix()),
				}}
				a.Text = &athenatrail.QueryText{Home: a.Detail.Home, TextHash: a.Detail.TextHash, QueryString: r.sql}
				if !yield(a) {
					return
				}
			}
		}
	}
}

var runs atomic.Int64

func collectInto(t testing.TB, store lake.Store, trail string) {
	t.Helper()
	ctx := context.Background()
	l, err := lake.Create(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	src, err := source.Parse(ctx, trail, source.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = collect.Run(ctx, collect.Options{
		Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Limits: cloudtrail.DefaultLimits,
		Settings: settings(t), Details: athena{}, Jobs: 2, Now: now, RunID: fmt.Sprintf("run-%d", runs.Add(1)),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// template is a lake that tests copy, which is faster than making it.
var template = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "forget-test-*")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(template())
	os.Exit(code)
}

func newLake(t testing.TB) (lake.Store, string) {
	t.Helper()
	trail, made := t.TempDir(), filepath.Join(template(), "lake")
	writeTrail(t, trail)
	if _, err := os.Stat(made); err != nil {
		store, err := lake.OpenStore(made)
		if err != nil {
			t.Fatal(err)
		}
		collectInto(t, store, trail)
	}
	dir := filepath.Join(t.TempDir(), "lake")
	if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return store, trail
}

func runForget(t testing.TB, store lake.Store, o forget.Options) (*forget.Result, error) {
	t.Helper()
	l, err := lake.Open(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	o.Lake, o.Settings, o.Jobs, o.RunID = l, settings(t), 1, fmt.Sprintf("forget-%d", runs.Add(1))
	return forget.Run(context.Background(), o)
}

// contents returns facts and tables by path, and all the texts in them.
func contents(t testing.TB, store lake.Store) (files map[string]string, texts string) {
	t.Helper()
	ctx := context.Background()
	files = map[string]string{}
	var all strings.Builder
	for _, prefix := range []string{"facts/", "tables/"} {
		for file, err := range store.List(ctx, prefix) {
			if err != nil {
				t.Fatal(err)
			}
			data, err := store.Read(ctx, file.Key)
			if err != nil {
				t.Fatal(err)
			}
			files[file.Key] = string(data)
			if err := rowfile.Strings(data, func(_ string, text []byte) { all.Write(append(text, '\n')) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files, all.String()
}

func executions(t testing.TB, store lake.Store) map[string]int {
	t.Helper()
	ctx := context.Background()
	l, err := lake.Open(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	people := map[string]int{}
	for file, err := range lake.Partitions(ctx, l, lake.QueryExecutions, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for q, err := range lake.ReadTable(ctx, l, lake.QueryExecutions, file.Partition) {
			if err != nil {
				t.Fatal(err)
			}
			people[q.Person]++
		}
	}
	return people
}

// mustBeSound verifies the lake, and that its tables are what its facts give.
func mustBeSound(t testing.TB, store lake.Store) {
	t.Helper()
	ctx := context.Background()
	l, err := lake.Open(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	for problem := range lake.Verify(ctx, l, "") {
		t.Error(problem)
	}
	b := &rebuild.Builder{Lake: l, Settings: settings(t)}
	v, err := b.Verify(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if v.Marked > 0 || len(v.Problems) > 0 {
		t.Errorf("%d days are marked, %v", v.Marked, v.Problems)
	}
}

func TestForgetPerson(t *testing.T) {
	for person, want := range map[string]struct {
		executions int
		gone       []string
		people     map[string]int
	}{
		"rosa":             {8, []string{"user/rosa", "AIDAEXAMPLEROSA", "for rosa", "AKIArosa"}, map[string]int{"ines": 4, "ines@example.com": 4, "omar@example.com": 4}},
		"AIDAEXAMPLEROSA":  {8, []string{"user/rosa", "AIDAEXAMPLEROSA", "for rosa"}, map[string]int{"ines": 4, "ines@example.com": 4, "omar@example.com": 4}},
		"OMAR@example.com": {4, []string{"omar@example.com"}, map[string]int{"ines": 4, "ines@example.com": 4, "rosa": 8}},
	} {
		t.Run(person, func(t *testing.T) {
			store, trail := newLake(t)
			before, _ := contents(t, store)
			dry, err := runForget(t, store, forget.Options{Person: person, DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			if after, _ := contents(t, store); !cmp.Equal(before, after) {
				t.Error("a dry run has written")
			}
			r, err := runForget(t, store, forget.Options{Person: person})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(dry.Counts, r.Counts); d != "" {
				t.Errorf("the dry run told something else: %s", d)
			}
			if int(r.Executions) != want.executions || r.DataScanned != int64(want.executions)*1_000_000_000 || r.Cost["USD"] <= 0 || r.Cost["USD"] != dry.Cost["USD"] {
				t.Errorf("%+v", r)
			}
			if len(r.Scan.Left) > 0 || r.Scan.Files < 20 {
				t.Errorf("scan %+v", r.Scan)
			}
			gone := func() {
				t.Helper()
				if d := cmp.Diff(want.people, executions(t, store)); d != "" {
					t.Errorf("people: %s", d)
				}
				_, texts := contents(t, store)
				for _, s := range want.gone {
					if strings.Contains(texts, s) {
						t.Errorf("%q is still there", s)
					}
				}
				if !strings.Contains(texts, "SELECT count(*) FROM shop.orders") {
					t.Error("the SQL that others ran as well is gone")
				}
				mustBeSound(t, store)
			}
			gone()

			// The trail is read again, by a lake that knows nothing of having
			// read it, and still has what it forgot.
			for file, err := range store.List(t.Context(), "_ledger/") {
				if err == nil {
					err = store.Delete(t.Context(), file.Key)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			collectInto(t, store, trail)
			gone()

			again, err := runForget(t, store, forget.Options{Person: person})
			if err != nil || again.Executions != 0 || len(again.Scan.Left) != 0 {
				t.Errorf("again: %+v, %v", again, err)
			}
		})
	}
}

func TestForgetTellsWhatIsLeft(t *testing.T) {
	store, _ := newLake(t)
	ctx := t.Context()
	l, err := lake.Open(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	p := athenatrail.NewPartition(first, account, region)
	sql := "SELECT * FROM people WHERE name = 'rosa'"
	row := athenatrail.QueryText{Home: p, TextHash: athenatrail.HashText(sql), QueryString: sql}
	if _, err := lake.Merge(ctx, l, lake.QueryTexts, p, []athenatrail.QueryText{row}); err != nil {
		t.Fatal(err)
	}
	if err := store.Put(ctx, "people.csv", []byte("id,email\n1,rosa\n")); err != nil {
		t.Fatal(err)
	}
	r, err := runForget(t, store, forget.Options{Person: "rosa"})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, place := range r.Scan.Left {
		left = append(left, place.Path+" "+place.Where)
	}
	want := []string{"facts/query_texts/dt=2026-05-04/111122223333_eu-west-1.parquet query_string", "people.csv the file"}
	if d := cmp.Diff(want, left); d != "" {
		t.Error(d)
	}
}

func TestForgetNobody(t *testing.T) {
	store, trail := newLake(t)
	role := strings.NewReplacer(`"type":"IAMUser"`, `"type":"AssumedRole"`, ":user/rosa", ":assumed-role/etl/botocore-session-1").Replace(company()[0].record("ListWorkGroups"))
	if err := os.WriteFile(filepath.Join(trail, "more.json"), []byte(`{"Records":[`+role+`]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	collectInto(t, store, trail)
	if _, err := runForget(t, store, forget.Options{Person: "etl"}); !errors.Is(err, forget.ErrNobody) {
		t.Errorf("a role: %v", err)
	}
	r, err := runForget(t, store, forget.Options{Person: "nobody@example.com"})
	if err != nil || r.Executions != 0 || len(r.Scan.Left) != 0 {
		t.Errorf("a stranger: %+v, %v", r, err)
	}
}

func TestForgetBefore(t *testing.T) {
	store, trail := newLake(t)
	day := athenatrail.DateOf(first) + 2
	r, err := runForget(t, store, forget.Options{Before: day})
	if err != nil {
		t.Fatal(err)
	}
	if r.Executions != 10 || r.DataScanned != 10_000_000_000 || len(r.Scan.Left) != 0 {
		t.Errorf("%+v, %+v", r, r.Scan)
	}
	want := map[string]int{"ines": 2, "ines@example.com": 2, "omar@example.com": 2, "rosa": 4}
	check := func() {
		t.Helper()
		files, _ := contents(t, store)
		for path := range files {
			if strings.Contains(path, "dt=2026-05-04") || strings.Contains(path, "dt=2026-05-05") {
				t.Errorf("%s is still there", path)
			}
		}
		// What began before midnight and was taken after it is nobody's row.
		if d := cmp.Diff(want, executions(t, store)); d != "" {
			t.Errorf("people: %s", d)
		}
		mustBeSound(t, store)
	}
	check()
	for file, err := range store.List(t.Context(), "_ledger/") {
		if err == nil {
			err = store.Delete(t.Context(), file.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	collectInto(t, store, trail)
	check()
}

func TestForgetTexts(t *testing.T) {
	for _, mode := range []redact.Mode{redact.Full, redact.LiteralsMasked, redact.FingerprintOnly} {
		store, _ := newLake(t)
		people := executions(t, store)
		r, err := runForget(t, store, forget.Options{Texts: true, Keep: mode})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Scan.Left) != 0 || r.Scan.Files == 0 {
			t.Errorf("%s: %+v", mode, r.Scan)
		}
		_, texts := contents(t, store)
		if strings.Contains(texts, "for rosa") || strings.Contains(texts, athenatrail.HashText("SELECT count(*) FROM shop.orders")) {
			t.Errorf("%s: a literal or a plain hash is left", mode)
		}
		if got := strings.Contains(texts, "WHERE name = ?"); got != (mode == redact.LiteralsMasked) {
			t.Errorf("%s: the masked text is there: %v", mode, got)
		}
		// Who ran what is known as before, from what was noted of the SQL.
		if d := cmp.Diff(people, executions(t, store)); d != "" {
			t.Errorf("%s: people: %s", mode, d)
		}
		mustBeSound(t, store)
	}
	store, _ := newLake(t)
	if r, err := runForget(t, store, forget.Options{Texts: true, Person: "rosa"}); err != nil || len(r.Scan.Left) != 0 {
		t.Errorf("rosa's: %+v, %v", r, err)
	}
	_, texts := contents(t, store)
	if strings.Contains(texts, "for rosa") || !strings.Contains(texts, "SELECT a FROM shop.orders") {
		t.Error("not hers alone")
	}
	store, _ = newLake(t)
	if r, err := runForget(t, store, forget.Options{Texts: true, Before: athenatrail.DateOf(first) + 1}); err != nil || len(r.Scan.Left) != 0 {
		t.Errorf("of the first day: %+v, %v", r, err)
	}
	if _, texts := contents(t, store); strings.Count(texts, "for rosa") != 3 {
		t.Error("not of the first day alone")
	}
	mustBeSound(t, store)
}

// A mortal store fails from its nth write on.
type mortal struct {
	lake.Store
	left *atomic.Int64
}

var errDead = errors.New("killed")

func (m mortal) Update(ctx context.Context, key string, change func([]byte) ([]byte, error)) error {
	if m.left.Add(-1) < 0 {
		return errDead
	}
	return m.Store.Update(ctx, key, change)
}

func (m mortal) Put(ctx context.Context, key string, data []byte) error {
	if m.left.Add(-1) < 0 {
		return errDead
	}
	return m.Store.Put(ctx, key, data)
}

func (m mortal) Delete(ctx context.Context, key string) error {
	if m.left.Add(-1) < 0 {
		return errDead
	}
	return m.Store.Delete(ctx, key)
}

// TestKilledForget kills a forget at each of its writes, collects in between,
// and runs it again: the lake is that of one that nobody killed.
func TestKilledForget(t *testing.T) {
	for name, o := range map[string]forget.Options{
		"person": {Person: "rosa"}, "comment": {Person: "omar@example.com"}, "before": {Before: athenatrail.DateOf(first) + 2},
	} {
		t.Run(name, func(t *testing.T) {
			undisturbed, _ := newLake(t)
			if _, err := runForget(t, undisturbed, o); err != nil {
				t.Fatal(err)
			}
			want, _ := contents(t, undisturbed)
			step := 31
			if testing.Short() {
				step = 97
			}
			for n := int64(0); ; n += int64(step) {
				store, trail := newLake(t)
				left := &atomic.Int64{}
				left.Store(n)
				_, err := runForget(t, mortal{store, left}, o)
				if err != nil && !errors.Is(err, errDead) {
					t.Fatal(err)
				}
				if n%2 == 0 {
					collectInto(t, store, trail)
				}
				r, again := runForget(t, store, o)
				if again != nil || len(r.Scan.Left) > 0 {
					t.Fatalf("killed after %d writes: %+v, %v", n, r, again)
				}
				got, _ := contents(t, store)
				if d := cmp.Diff(keys(want), keys(got)); d != "" {
					t.Fatalf("killed after %d writes: %s", n, d)
				}
				if !cmp.Equal(want, got) {
					t.Fatalf("killed after %d writes: other bytes", n)
				}
				mustBeSound(t, store)
				if err == nil {
					return
				}
			}
		})
	}
}

func keys(m map[string]string) map[string]bool {
	all := map[string]bool{}
	for k := range m {
		all[k] = true
	}
	return all
}
