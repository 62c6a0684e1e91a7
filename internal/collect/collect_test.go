package collect_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/s3test"
	"github.com/athenatrail/athenatrail/internal/source"
)

var now = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

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

// A pinned Athena gives each id the same answer whenever it is asked.
type pinned struct{ account, region string }

type pinnedDetails struct{}

func (pinnedDetails) Of(_ context.Context, account, region string) (collect.Asker, error) {
	if account == "444455556666" {
		return nil, collect.ErrNoRole
	}
	return pinned{account, region}, nil
}

func (p pinned) Details(_ context.Context, _ time.Time, wanted []athenaapi.Wanted) iter.Seq[athenaapi.Answer] {
	return func(yield func(athenaapi.Answer) bool) {
		for _, w := range wanted {
			d := athenatrail.Detail{Home: athenatrail.NewPartition(w.Started, p.account, p.region), Kind: athenatrail.KindQueryExecution, ID: w.ID}
			a := athenaapi.Answer{Wanted: w}
			switch w.ID[len(w.ID)-1] {
			case '0':
				d.Outcome = athenatrail.OutcomeUnprocessed
			case '1':
				a.Err = fmt.Errorf("connection reset")
			case '2':
				d.Outcome, d.State = athenatrail.OutcomeAnswered, "RUNNING"
				d.Answer = `{"QueryExecutionId":"` + w.ID + `","Status":{"State":"RUNNING"}}`
			default:
				// Athena took it a moment later than CloudTrail says: on the
				// next day when it was midnight.
				submitted := firstStart(w.ID).Add(1500 * time.Millisecond)
				sql := "SELECT " + w.ID[len(w.ID)-1:] + " FROM t"
				d.Home = athenatrail.NewPartition(submitted, p.account, p.region)
				d.Outcome, d.State, d.Final, d.SubmittedAt, d.TextHash = athenatrail.OutcomeAnswered, "SUCCEEDED", true, submitted, athenatrail.HashText(sql)
				d.Answer = fmt.Sprintf(`{"QueryExecutionId":%q,"StatementType":"DML","Statistics":{"DataScannedInBytes":123456789},"Status":{"State":"SUCCEEDED","SubmissionDateTime":%d.5}}`, w.ID, submitted.Unix())
				a.Text = &athenatrail.QueryText{Home: d.Home, TextHash: d.TextHash, QueryString: sql}
			}
			a.Detail = d
			if !yield(a) {
				return
			}
		}
	}
}

// records are what the property is tried on: two accounts, three days, starts
// at midnight, retries of one start on two days, failed starts, polls, STS and
// Lake Formation records, and late corrections.
func records() (all []string) {
	for n := range 24 {
		account := []string{"111122223333", "111122223333", "444455556666"}[n%3]
		id := fmt.Sprintf("11111111-2222-4333-8444-5555555555%02d", n)
		when := firstStart(id)
		r := record(n, account, when, id)
		all = append(all, r)
		if account != "444455556666" && n%10 > 2 {
			// The same start again, on the next day. What Athena does not
			// answer is noted on the day of the start known when it was asked,
			// so those have one start alone.
			all = append(all, record(100+n, account, when.Add(40*time.Second), id))
		}
		switch n % 6 {
		case 0:
			all = append(all, strings.NewReplacer("StartQueryExecution", "GetQueryExecution", `"eventID":"e-`, `"eventID":"poll-`).Replace(r))
		case 1:
			all = append(all, strings.Replace(strings.Replace(r, `"eventID":"e-`, `"eventID":"failed-`, 1), `"responseElements":{"queryExecutionId":"`+id+`"}`, `"responseElements":null,"errorCode":"AccessDenied","errorMessage":"no"`, 1))
		case 2:
			all = append(all, strings.Replace(r, `"eventID":"`, `"addendum":{"reason":"UPDATED_DATA","originalEventID":"e-`+fmt.Sprint(n)+`"},"eventID":"updated-`, 1))
		case 3:
			all = append(all, strings.Replace(r, `"userAgent":"x"`, `"userAgent":"a longer copy of the same event"`, 1))
		case 4:
			all = append(all, strings.NewReplacer("athena.amazonaws.com", "sts.amazonaws.com", "StartQueryExecution", "AssumeRole", `{"queryExecutionId":"`+id+`"}`, `{"credentials":{"accessKeyId":"ASIA`+fmt.Sprint(n)+`"}}`).Replace(r))
		case 5:
			all = append(all, strings.NewReplacer("athena.amazonaws.com", "lakeformation.amazonaws.com", "StartQueryExecution", "GetDataAccess", `"requestParameters":{`, `"requestParameters":{"tableArn":"arn:t","auditContext":{"additionalAuditContext":"{queryId: `+id+`}"},`).Replace(r))
		}
	}
	return all
}

// firstStart is when an execution was first started.
func firstStart(id string) time.Time {
	n, err := strconv.Atoi(id[len(id)-2:])
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 5, 4+n%3, 23, 59, 40+n%20, 0, time.UTC)
}

func record(n int, account string, when time.Time, id string) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::%[2]s:user/rosa","accountId":%[2]q,"accessKeyId":"AKIA","userName":"rosa"},"eventTime":%[3]q,"eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.7","userAgent":"x","requestParameters":{"workGroup":"w"},"responseElements":{"queryExecutionId":%[4]q},"eventID":"e-%[1]d","recipientAccountId":%[2]q}`,
		n, account, when.Format(time.RFC3339), id)
}

// writeFiles writes each group of records as a log file of its own.
func writeFiles(t testing.TB, dir string, groups [][]string) {
	t.Helper()
	for i, g := range groups {
		if len(g) == 0 {
			continue
		}
		name := filepath.Join(dir, fmt.Sprintf("111122223333_CloudTrail_eu-west-1_202605%02dT0000Z_%016d.json", 4+i%5, i))
		if err := os.WriteFile(name, []byte(`{"Records":[`+strings.Join(g, ",")+`]}`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var runs atomic.Int64

// run is one run over a folder.
func run(t testing.TB, store lake.Store, dir string) (*collect.Summary, error) {
	ctx := context.Background()
	l, err := lake.Create(ctx, store)
	if err != nil {
		return nil, err
	}
	src, err := source.Parse(ctx, dir, source.Deps{})
	if err != nil {
		return nil, err
	}
	return collect.Run(ctx, collect.Options{
		Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Limits: cloudtrail.DefaultLimits,
		Settings: settings(t), Details: pinnedDetails{}, Jobs: 2, Now: now, RunID: fmt.Sprintf("run-%d", runs.Add(1)),
	})
}

// contents returns the hash of every file of facts and tables, and the names
// of marks and of open gaps.
func contents(t testing.TB, store lake.Store) map[string]string {
	t.Helper()
	files := map[string]string{}
	ctx := context.Background()
	for _, prefix := range []string{"facts/", "tables/", "_ledger/v1/dirty/", "_ledger/v1/open/"} {
		for f, err := range store.List(ctx, prefix) {
			if err != nil {
				t.Fatal(err)
			}
			data, err := store.Read(ctx, f.Key)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(data)
			files[f.Key] = hex.EncodeToString(sum[:8])
		}
	}
	return files
}

func openDir(t testing.TB, dir string) lake.Store {
	t.Helper()
	s, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reference is the lake of all records in one file and one run.
func reference(t testing.TB) map[string]string {
	t.Helper()
	trail, dir := t.TempDir(), t.TempDir()
	writeFiles(t, trail, [][]string{records()})
	store := openDir(t, dir)
	if _, err := run(t, store, trail); err != nil {
		t.Fatal(err)
	}
	files := contents(t, store)
	for name := range files {
		if strings.HasPrefix(name, "_ledger/v1/dirty/") {
			t.Errorf("a mark is left: %s", name)
		}
	}
	if len(files) < 20 {
		t.Fatalf("got %d files: %v", len(files), files)
	}
	return files
}

// TestSameRecordsSameBytes shows rule 2 of the lake: the same records, in any
// order, repeated, split over files and over runs, by several writers at once,
// give the same bytes.
func TestSameRecordsSameBytes(t *testing.T) {
	want := reference(t)
	all := records()
	rapid.Check(t, func(rt *rapid.T) {
		base, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		store := openDir(t, filepath.Join(base, "lake"))
		delivered := tryInterleaving(t, rt, all, base, func() lake.Store { return openDir(t, filepath.Join(base, "lake")) })
		mustAddUp(rt, store, delivered)
		if diff := cmp.Diff(want, contents(t, store)); diff != "" {
			rt.Fatalf("another lake (-want +got):\n%s", diff)
		}
	})
}

// mustAddUp fails unless the ledger accounts for every record that was
// delivered: it was kept, dropped for a reason, or could not be decoded.
func mustAddUp(rt *rapid.T, store lake.Store, delivered int) {
	var records, kept, dropped, undecodable int64
	for f, err := range ledger.New(store).All(context.Background()) {
		if err != nil {
			rt.Fatal(err)
		}
		reasons := map[string]int64{}
		if f.DroppedReasons != "" {
			if err := json.Unmarshal([]byte(f.DroppedReasons), &reasons); err != nil {
				rt.Fatal(err)
			}
		}
		var sum int64
		for _, n := range reasons {
			sum += n
		}
		if sum != f.Dropped || f.Candidates != f.KeptEvents+f.KeptRoleSessions+f.KeptDataAccess+f.Dropped+f.Undecodable {
			rt.Fatalf("the ledger's row does not add up: %+v", f)
		}
		records += f.Records
		kept += f.KeptEvents + f.KeptRoleSessions + f.KeptDataAccess
		dropped += f.Dropped
		undecodable += f.Undecodable
	}
	// All records of the property are of sources that are looked at.
	if records != int64(delivered) || kept+dropped+undecodable != records {
		rt.Fatalf("%d records delivered, %d seen, %d kept, %d dropped, %d not decodable", delivered, records, kept, dropped, undecodable)
	}
}

// tryInterleaving collects all records in some order and some runs, of which
// some are at the same time, and returns how many records it delivered.
func tryInterleaving(t testing.TB, rt *rapid.T, all []string, base string, store func() lake.Store) (delivered int) {
	numbers := make([]int, len(all))
	for i := range numbers {
		numbers[i] = i
	}
	order := rapid.Permutation(numbers).Draw(rt, "order")
	order = append(order, rapid.SliceOfN(rapid.IntRange(0, len(all)-1), 0, 10).Draw(rt, "repeats")...)
	files := rapid.IntRange(1, 8).Draw(rt, "files")
	groups := make([][]string, files)
	for i, n := range order {
		groups[i%files] = append(groups[i%files], all[n])
	}
	folders := rapid.IntRange(1, 3).Draw(rt, "folders")
	atOnce := rapid.Bool().Draw(rt, "at once")
	var wg sync.WaitGroup
	for n := range folders {
		dir := filepath.Join(base, fmt.Sprintf("trail%d", n))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			rt.Fatal(err)
		}
		part := [][]string{}
		for i, g := range groups {
			if i%folders == n {
				part = append(part, g)
			} else {
				part = append(part, nil)
			}
		}
		// One record at least, so that there is a log file to find.
		writeFiles(t, dir, append(part, all[:1]))
		delivered++
		one := func() {
			if _, err := run(t, store(), dir); err != nil {
				t.Errorf("run: %v", err)
			}
		}
		if atOnce {
			wg.Add(1)
			go func() { defer wg.Done(); one() }()
		} else {
			one()
		}
	}
	wg.Wait()
	return delivered + len(order)
}

// TestSameRecordsSameBytesS3 is the same on a real S3 server.
func TestSameRecordsSameBytesS3(t *testing.T) {
	server := s3test.Start(t)
	want := reference(t)
	all := records()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		if n++; n > 8 {
			return // each takes a second
		}
		bucket := server.Bucket(t)
		base := t.TempDir()
		open := func() lake.Store {
			s, err := lake.NewS3Store(server.Client(), bucket, "a/lake")
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		tryInterleaving(t, rt, all, base, open)
		if diff := cmp.Diff(want, contents(t, open())); diff != "" {
			rt.Fatalf("another lake (-want +got):\n%s", diff)
		}
	})
}

// TestSecondRunWritesNothing compares not only bytes but the files' times.
func TestSecondRunWritesNothing(t *testing.T) {
	trail, dir := t.TempDir(), t.TempDir()
	var finals []string
	for _, r := range records() {
		if strings.Contains(r, `"StartQueryExecution"`) && strings.ContainsAny(r[strings.Index(r, "55555555")+10:][:2], "3456789") {
			finals = append(finals, r)
		}
	}
	writeFiles(t, trail, [][]string{finals})
	store := openDir(t, dir)
	if _, err := run(t, store, trail); err != nil {
		t.Fatal(err)
	}
	before := modified(t, dir)
	sum, err := run(t, store, trail)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Read != 0 || sum.Known != 1 || sum.Changed != 0 || sum.Derived != 0 {
		t.Errorf("got %+v", sum)
	}
	if diff := cmp.Diff(before, modified(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestEarlierStartComesLater shows that a row moves to the day before when the
// log file with the first of its starts comes last.
func TestEarlierStartComesLater(t *testing.T) {
	const id = "11111111-2222-4333-8444-555555555503"
	first, again := startsAtMidnight(id)
	trail, store := t.TempDir(), openDir(t, t.TempDir())
	for _, files := range [][][]string{{{again}}, {nil, {first}}} {
		writeFiles(t, trail, files)
		if _, err := run(t, store, trail); err != nil {
			t.Fatal(err)
		}
	}
	files := contents(t, store)
	if _, ok := files["tables/query_executions_open/dt=2026-05-04/111122223333_eu-west-1.parquet"]; !ok {
		t.Error("the first day has no row")
	}
	if _, ok := files["tables/query_executions_open/dt=2026-05-05/111122223333_eu-west-1.parquet"]; ok {
		t.Error("the second day kept its row")
	}
}

// TestStartOnTwoDaysIsAskedOnce shows that what Athena would not say is noted
// on the day of the first start alone.
func TestStartOnTwoDaysIsAskedOnce(t *testing.T) {
	first, again := startsAtMidnight("11111111-2222-4333-8444-555555555500")
	trail, store := t.TempDir(), openDir(t, t.TempDir())
	writeFiles(t, trail, [][]string{{again, first}})
	sum, err := run(t, store, trail)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{athenatrail.OutcomeUnprocessed: 1}, sum.Outcomes); diff != "" {
		t.Error(diff)
	}
	if _, ok := contents(t, store)["facts/details/dt=2026-05-05/111122223333_eu-west-1.parquet"]; ok {
		t.Error("it is noted on the second day too")
	}
}

func startsAtMidnight(id string) (before, after string) {
	midnight := time.Date(2026, 5, 5, 0, 0, 0, 0, time.UTC)
	return record(1, "111122223333", midnight.Add(-time.Second), id), record(2, "111122223333", midnight.Add(time.Second), id)
}

// modified returns the times of the files of facts and tables.
func modified(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	times := map[string]time.Time{}
	for _, sub := range []string{"facts", "tables"} {
		err := filepath.Walk(filepath.Join(dir, sub), func(path string, info os.FileInfo, err error) error {
			if err == nil && !info.IsDir() {
				times[path] = info.ModTime()
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return times
}
