package unload_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/engine"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/s3test"
	"github.com/athenatrail/athenatrail/internal/source"
	"github.com/athenatrail/athenatrail/internal/unload"
)

// A stage is an Athena whose UNLOADs write what a test says into a bucket, and
// a lake to collect into.
type stage struct {
	t      *testing.T
	s3     *s3test.Server
	bucket string
	lake   *lake.Lake

	rows func(day string) []string // of JSON; nil: an execution a day

	mu         sync.Mutex
	statements []string
	during     func(day, folder string) error // called when a day's files are there; may be nil
	notes      []string
	now        time.Time
	runs       int
	cutoff     int64
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, s3: s3test.Start(t), now: time.Date(2026, 11, 4, 12, 0, 0, 0, time.UTC)}
	s.bucket = s.s3.Bucket(t)
	store, err := lake.OpenStore(t.TempDir())
	if err == nil {
		s.lake, err = lake.Create(t.Context(), store)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.rows = func(day string) []string { return []string{startRow(day, "q-"+day, "")} }
	return s
}

// startRow is a row of a start event as Athena writes it.
func startRow(day, id, more string) string {
	return fmt.Sprintf(`{"eventversion":"1.09","useridentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/rosa","accountid":"111122223333","username":"rosa","sessioncontext":null},`+
		`"eventtime":"%sT10:00:00Z","eventsource":"athena.amazonaws.com","eventname":"StartQueryExecution","awsregion":"eu-west-1","sourceipaddress":"203.0.113.7","errorcode":null,`+
		`"requestparameters":"{\"workGroup\":\"primary\",\"queryString\":\"***OMITTED***\"}","responseelements":"{\"queryExecutionId\":\"%s\"}","readonly":"false","eventid":"e-%s","recipientaccountid":"111122223333",`+
		`"account":"111122223333","region":"eu-west-1","timestamp":"x"%s}`, day, id, id, more)
}

var form = regexp.MustCompile(`"timestamp" = '([0-9/]+)'.* TO 's3://([^/]+)/([^']*)' WITH`)

func (s *stage) answer(_ context.Context, statement athenaapitest.Statement) (r athenaapitest.Result, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := form.FindStringSubmatch(statement.SQL)
	if m == nil || m[2] != s.bucket {
		return r, fmt.Errorf("not understood: %s", statement.SQL)
	}
	s.statements = append(s.statements, statement.SQL)
	day := strings.ReplaceAll(m[1], "/", "-")
	for i, row := range s.rows(day) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(row + "\n"))
		z.Close()
		s.s3.Put(s.t, s.bucket, fmt.Sprintf("%s%d.gz", m[3], i), b.Bytes())
	}
	r.ScannedBytes = 20_000_000
	if s.during != nil {
		err = s.during(day, m[3])
	}
	return r, err
}

// collect does a run over days, and returns its summary.
func (s *stage) collect(from, to string) (*collect.Summary, error) {
	s.t.Helper()
	api, err := athenaapitest.Start(athenaapitest.Config{
		Lookup: func(string, string, string) (athenaapitest.Execution, bool) { return athenaapitest.Execution{}, false },
		Run:    s.answer,
		Keys:   []athenaapitest.Key{{ID: "AKIDEXAMPLE", Secret: "secret", Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/collector"}},
		Rates:  map[string]athenaapitest.Rate{"GetQueryExecution": athenaapitest.Unlimited},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	defer api.Close()
	db, err := engine.Athena{
		Config:   aws.Config{Region: "eu-west-1", BaseEndpoint: &api.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")},
		Database: "usage", OutputLocation: "s3://results/x/", Poll: time.Millisecond, Cutoff: s.cutoff,
	}.Open(new(engine.Meter))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	staging, err := lake.NewS3Store(s.s3.Client(), s.bucket, "staging/"+unload.Folder)
	if err != nil {
		s.t.Fatal(err)
	}
	location := "s3://" + s.bucket + "/staging/" + unload.Folder
	files, err := source.Parse(s.t.Context(), location, source.Deps{S3: func(context.Context) (*s3.Client, error) { return s.s3.Client(), nil }})
	if err != nil {
		s.t.Fatal(err)
	}
	first, err1 := athenatrail.ParseDate(from)
	end, err2 := athenatrail.ParseDate(to)
	s.runs++
	run := fmt.Sprintf("20261104T120000Z-%012x", s.runs)
	feed, err := unload.New(unload.Options{
		DB: db, Name: "AwsDataCatalog.usage", Source: "s3://trail-logs", Accounts: []string{"111122223333"}, From: first, To: end,
		Location: location, Staging: staging, Files: files, Ledger: ledger.New(s.lake), RunID: run, Now: s.now,
		Note: func(text string) { s.notes = append(s.notes, text) },
	})
	if err = errors.Join(err, err1, err2); err != nil {
		return nil, err
	}
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		return nil, err
	}
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		return nil, err
	}
	settings := &derive.Settings{Identity: people, Prices: prices}
	return collect.Run(s.t.Context(), collect.Options{
		Lake: s.lake, Ledger: ledger.New(s.lake), Feeds: []source.Feed{feed}, Settings: settings, Jobs: 2, Limits: cloudtrail.DefaultLimits, Now: s.now, RunID: run,
	})
}

func (s *stage) mustCollect(from, to string) *collect.Summary {
	s.t.Helper()
	sum, err := s.collect(from, to)
	if err != nil {
		s.t.Fatal(err)
	}
	return sum
}

// ids are the executions that the lake has.
func (s *stage) ids() (ids []string) {
	s.t.Helper()
	for d := athenatrail.Date(20000); d < 21000; d++ {
		p := athenatrail.Partition{Date: d, Account: "111122223333", Region: "eu-west-1"}
		type row struct {
			ID string `parquet:"query_execution_id,optional"`
		}
		for q, err := range lake.ReadAs[row](s.t.Context(), s.lake, lake.QueryExecutions, p) {
			if err != nil {
				s.t.Fatal(err)
			}
			ids = append(ids, q.ID)
		}
	}
	return ids
}

// staged are the keys in the staging bucket.
func (s *stage) staged() (keys []string) {
	s.t.Helper()
	out, err := s.s3.Client().ListObjectsV2(s.t.Context(), &s3.ListObjectsV2Input{Bucket: &s.bucket})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	return keys
}

// TestDays shows that a day is unloaded once, that days that are not over wait,
// and that the staging folder is empty afterwards.
func TestDays(t *testing.T) {
	s := newStage(t)
	sum := s.mustCollect("2026-11-01", "2026-11-30")
	if d := cmp.Diff([]string{"q-2026-11-01", "q-2026-11-02", "q-2026-11-03"}, s.ids()); d != "" || sum.Incomplete() {
		t.Errorf("%s\n%v", d, sum.Problems)
	}
	if len(s.statements) != 3 || !strings.Contains(strings.Join(s.statements, "\n"), `account IN ('111122223333')`) {
		t.Errorf("statements: %s", s.statements)
	}
	if left := s.staged(); len(left) > 0 {
		t.Errorf("left: %s", left)
	}
	to, known, err := ledger.New(s.lake).CompleteTo(t.Context())
	if want := time.Date(2026, 11, 3, 23, 45, 0, 0, time.UTC); err != nil || !known || !to.Equal(want) {
		t.Errorf("complete to %s, %v, %v; want %s", to, known, err, want)
	}
	s.statements = nil
	if s.mustCollect("2026-11-01", "2026-11-04"); len(s.statements) > 0 {
		t.Errorf("asked again: %s", s.statements)
	}
	s.now = time.Date(2026, 11, 5, 0, 59, 0, 0, time.UTC) // the 4th closes at one
	if s.mustCollect("2026-11-01", "2026-11-30"); len(s.statements) > 0 {
		t.Errorf("asked for a day that is not over: %s", s.statements)
	}
	s.now = s.now.Add(time.Minute)
	if s.mustCollect("2026-11-01", "2026-11-30"); len(s.statements) != 1 || !strings.Contains(s.statements[0], "2026/11/04") {
		t.Errorf("asked %s", s.statements)
	}
	if _, err := s.collect("2026-11-05", "2026-11-30"); err == nil || !strings.Contains(err.Error(), "no day") {
		t.Errorf("of no day: %v", err)
	}
}

// TestKilled shows that what a killed run staged is deleted by the next, and
// that others' files are not.
func TestKilled(t *testing.T) {
	s := newStage(t)
	prefix := "staging/" + unload.Folder
	mark, left := prefix+"20261101T000000Z-0123456789ab.running", prefix+"20261101T000000Z-0123456789ab/2026-11-01/part.gz"
	others := []string{"staging/other", prefix + "notes.txt", prefix + "2026/x"}
	for _, key := range append(others, mark, left) {
		s.s3.Put(t, s.bucket, key, []byte("x"))
	}
	s.mustCollect("2026-11-01", "2026-11-02")
	if d := cmp.Diff(map[string]bool{others[0]: true, others[1]: true, others[2]: true}, setOf(s.staged())); d != "" {
		t.Errorf("left: %s", d)
	}
	if !strings.Contains(strings.Join(s.notes, "\n"), "deleted 2 files") {
		t.Errorf("said %q", s.notes)
	}
}

func setOf(list []string) map[string]bool {
	set := map[string]bool{}
	for _, x := range list {
		set[x] = true
	}
	return set
}

// TestTaken shows that a run whose staging files another run deleted does not
// take the day for read.
func TestTaken(t *testing.T) {
	s := newStage(t)
	s.rows = func(day string) []string { return []string{startRow(day, "one", ""), startRow(day, "two", "")} }
	s.during = func(_, folder string) error { // the other run cleans: the mark, and one file so far
		mark := strings.TrimSuffix(folder, "/2026-11-01/") + ".running"
		for _, key := range []string{mark, folder + "1.gz"} {
			if _, err := s.s3.Client().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key}); err != nil {
				return err
			}
		}
		return nil
	}
	sum := s.mustCollect("2026-11-01", "2026-11-02")
	if !sum.Incomplete() || !strings.Contains(strings.Join(sum.Problems, "\n"), "another run cleaned") {
		t.Errorf("problems: %q", sum.Problems)
	}
	s.during = nil
	if sum = s.mustCollect("2026-11-01", "2026-11-02"); sum.Incomplete() {
		t.Errorf("problems: %q", sum.Problems)
	}
	if d := cmp.Diff([]string{"one", "two"}, s.ids()); d != "" {
		t.Error(d)
	}
}

// TestFailing shows what is said of a day that Athena does not give, and that
// the next run begins with it.
func TestFailing(t *testing.T) {
	s := newStage(t)
	s.during = func(day, _ string) error {
		if day == "2026-11-02" {
			return &athenaapitest.RunFailure{Category: 2, Message: "CONSTRAINT_VIOLATION: account is injected"}
		}
		return nil
	}
	sum := s.mustCollect("2026-11-01", "2026-11-04")
	if !strings.Contains(strings.Join(sum.Problems, "\n"), "unload 2026-11-02: athena: execution ") || !strings.Contains(strings.Join(sum.Problems, "\n"), "account is injected") {
		t.Errorf("problems: %q", sum.Problems)
	}
	if left := s.staged(); len(left) > 0 { // Athena deletes nothing of what a failed statement wrote
		t.Errorf("left: %s", left)
	}
	to, _, _ := ledger.New(s.lake).CompleteTo(t.Context())
	if want := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC); !to.Equal(want) {
		t.Errorf("complete to %s, want %s", to, want)
	}
	s.during, s.statements = nil, nil
	if sum = s.mustCollect("2026-11-01", "2026-11-04"); sum.Incomplete() || strings.Contains(strings.Join(s.statements, "\n"), "2026/11/01") {
		t.Errorf("problems %q, statements %q", sum.Problems, s.statements)
	}
	if n := len(s.ids()); n != 3 {
		t.Errorf("%d executions", n)
	}
}

// TestOddRows shows that a row that is no record is counted and named, and
// costs no other.
func TestOddRows(t *testing.T) {
	s := newStage(t)
	s.rows = func(day string) []string {
		return []string{"{broken", startRow(day, "good", `,"extra":{"a":[1]}`), `{"account":"x"}`, `[1]`, strings.Repeat("x", 9<<20)}
	}
	sum := s.mustCollect("2026-11-01", "2026-11-02")
	if !strings.Contains(strings.Join(sum.Problems, "\n"), "4 rows are no records") {
		t.Errorf("problems: %q", sum.Problems)
	}
	if d := cmp.Diff([]string{"good"}, s.ids()); d != "" {
		t.Error(d)
	}
}

// TestManyRows shows that rows of more than a page are all there.
func TestManyRows(t *testing.T) {
	s := newStage(t)
	s.rows = func(day string) []string {
		var b strings.Builder
		for i := range 3000 {
			b.WriteString(startRow(day, fmt.Sprintf("q%04d", i), `,"useragent":"`+strings.Repeat("a", 3000)+`"`) + "\n")
		}
		return []string{b.String()}
	}
	sum := s.mustCollect("2026-11-01", "2026-11-02")
	if n := len(s.ids()); n != 3000 || sum.Pages < 4 || sum.Incomplete() {
		t.Errorf("%d executions in %d pages, %q", n, sum.Pages, sum.Problems)
	}
}

// TestRecords compares made records with those that the log file would have.
func TestRecords(t *testing.T) {
	for row, want := range map[string]string{
		`{"eventid":"a","readonly":"true","managementevent":"false","sessioncredentialfromconsole":"true"}`: `{"eventID":"a","readOnly":true,"managementEvent":false,"sessionCredentialFromConsole":"true"}`,
		`{"requestparameters":"{\"a\":{\"b\":1.0}}","responseelements":"null","additionaleventdata":""}`:    `{"requestParameters":{"a":{"b":1.0}}}`,
		`{"requestparameters":"not json <&>"}`:                                                                                                                     `{"requestParameters":"not json <&>"}`,
		`{"resources":[{"arn":"x","accountid":"1","type":null},null]}`:                                                                                             ``,
		`{"resources":[{"arn":"x","accountid":"1","type":null}]}`:                                                                                                  `{"resources":[{"ARN":"x","accountId":"1"}]}`,
		`{"addendum":{"reason":"UPDATED_DATA","originaleventid":"o"},"sharedeventid":"s"}`:                                                                         `{"addendum":{"reason":"UPDATED_DATA","originalEventID":"o"},"sharedEventID":"s"}`,
		`{"useridentity":{"type":"Role","sessioncontext":{"attributes":{"mfaauthenticated":"false"},"webidfederationdata":{"attributes":{"Sub":"S"}}}}}`:           `{"userIdentity":{"type":"Role","sessionContext":{"attributes":{"mfaAuthenticated":"false"},"webIdFederationData":{"attributes":{"Sub":"S"}}}}}`,
		`{"EVENTID":"a","useridentity":{"onbehalfof":{"userid":"u","identitystorearn":null},"inscopeof":{"issuertype":"AWS::Lambda::Function"}},"eventtime":null}`: `{"eventID":"a","userIdentity":{"onBehalfOf":{"userId":"u"},"inScopeOf":{"issuerType":"AWS::Lambda::Function"}}}`,
	} {
		got, err := unload.Record([]byte(row))
		if want == "" {
			if err == nil {
				t.Errorf("%s: %s", row, got)
			}
			continue
		}
		if d := cmp.Diff(decoded(t, []byte(want)), decoded(t, got)); d != "" || err != nil {
			t.Errorf("%s: %v %s", row, err, d)
		}
	}
}

func decoded(t *testing.T, text []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return v
}

// FuzzRecord: what is made of a row is JSON, and whatever it is made of does
// not panic.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(startRow("2026-11-01", "q", "")))
	f.Add([]byte(`{"resources":[{}],"addendum":{},"requestparameters":"{"}`))
	f.Fuzz(func(t *testing.T, row []byte) {
		if made, err := unload.Record(row); err == nil && !json.Valid(made) {
			t.Errorf("%q becomes %q", row, made)
		}
	})
}

// TestColumns shows that every column and member of the table of athenatrail
// ddl has its place in a record.
func TestColumns(t *testing.T) {
	source, err := os.ReadFile("../report/cloudtraillogs.go")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`[<,{"]([a-z0-9]+)(?::[sam]|", "(?:string|struct|array))`).FindAllStringSubmatch(string(source), -1)
	if len(names) < 60 {
		t.Fatalf("found %d names", len(names))
	}
	known := unload.Names()
	for _, name := range names {
		if !known[name[1]] {
			t.Errorf("%s has no place in a record", name[1])
		}
	}
}
