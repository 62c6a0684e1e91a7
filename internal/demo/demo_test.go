package demo

import (
	"context"
	"encoding/json"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// small is a company with every case in it, for tests that need no more.
var small = Options{Events: 900, Seed: 7}

func TestBesideLogFiles(t *testing.T) {
	trail(t)
	if b := written.beside; len(b) != 2 || !strings.Contains(b[0], "/CloudTrail-Digest/") || !strings.Contains(b[1], "/CloudTrail-Insight/") {
		t.Errorf("beside log files there are %q", b)
	}
}

func TestSameOptionsSameBytes(t *testing.T) {
	write := func(o Options) string {
		dir := t.TempDir()
		c := Generate(o)
		if err := c.WriteTrail(filepath.Join(dir, "trail")); err != nil {
			t.Fatal(err)
		}
		if err := c.WriteTruth(filepath.Join(dir, "truth.jsonl")); err != nil {
			t.Fatal(err)
		}
		return digest(t, dir)
	}
	a, b, other := write(small), write(small), write(Options{Events: small.Events, Seed: 8})
	if a != b {
		t.Error("the same options gave other bytes")
	}
	if a == other {
		t.Error("another seed gave the same bytes")
	}
}

// TestTruthAgreesWithTrailAndAnswers holds the truth against what the program
// can see: each start in the trail is one line of truth, and each line is
// what Athena answers.
func TestTruthAgreesWithTrailAndAnswers(t *testing.T) {
	c, all := trail(t)
	events, executions := map[string]bool{}, map[string]bool{}
	for _, r := range all {
		if r.EventSource != athenaSource || r.EventName != "StartQueryExecution" {
			continue
		}
		id := r.EventID
		if r.Addendum != nil {
			id = r.Addendum.OriginalEventID
		}
		events[id] = true
		var answer struct{ QueryExecutionID string }
		json.Unmarshal(r.ResponseElements, &answer)
		if answer.QueryExecutionID != "" {
			executions[answer.QueryExecutionID] = true
		}
	}
	listed := 0
	for k, ids := range c.lists {
		listed += len(ids)
		for i, id := range ids {
			e, ok := c.Lookup(k.account, k.region, id)
			if !ok || e.WorkGroup != k.group {
				t.Errorf("%v lists %s: %v in %s", k, id, ok, e.WorkGroup)
			}
			if i > 0 {
				newer, _ := c.Lookup(k.account, k.region, ids[i-1])
				if newer.Status.SubmittedAt.Before(e.Status.SubmittedAt.Add(-2 * time.Second)) {
					t.Errorf("%v lists %s before the newer %s", k, ids[i-1], id)
				}
			}
		}
	}
	known := 0
	for _, x := range c.Truths() {
		for _, id := range x.EventIDs {
			if !events[id] {
				t.Errorf("start %s is not in the trail", id)
			}
			delete(events, id)
		}
		if x.QueryExecutionID == "" {
			if x.Gap != "not_started" || x.ErrorCode == "" {
				t.Errorf("start %s has no id and gap %q, error %q", x.EventID, x.Gap, x.ErrorCode)
			}
			continue
		}
		delete(executions, x.QueryExecutionID)
		e, ok := c.Lookup(x.AccountID, x.Region, x.QueryExecutionID)
		if ok != (x.Gap != "expired") {
			t.Errorf("%s: looked up %v, gap %q", x.QueryExecutionID, ok, x.Gap)
			continue
		}
		if !ok {
			continue
		}
		known++
		now := e.At(c.Now)
		if now.Status.State != x.State || e.Query != x.SQL || e.WorkGroup != x.WorkGroup || e.Status.SubmittedAt.UnixMilli() != x.SubmittedAt {
			t.Errorf("truth and answer of %s differ:\n%+v\n%+v", x.QueryExecutionID, x, now)
		}
		if (x.Gap == "pending") == now.Final() {
			t.Errorf("%s: gap %q in state %s", x.QueryExecutionID, x.Gap, x.State)
		}
		if x.Gap == "" && (x.ScannedBytes == nil || *x.ScannedBytes != *now.Statistics.DataScannedBytes || x.CostBasis == "") {
			t.Errorf("%s: bytes %v, basis %q", x.QueryExecutionID, x.ScannedBytes, x.CostBasis)
		}
		other := Analytics
		if x.AccountID == Analytics {
			other = Finance
		}
		if _, ok := c.Lookup(other, x.Region, x.QueryExecutionID); ok {
			t.Errorf("%s is known in both accounts", x.QueryExecutionID)
		}
		if x.Person == "" || x.Rung == "" || x.Answer == "" || x.Tool == "" {
			t.Errorf("%s: who is missing: %+v", x.QueryExecutionID, x)
		}
	}
	if listed != known {
		t.Errorf("%d executions are listed, %d are known", listed, known)
	}
	if len(events) > 0 || len(executions) > 0 {
		t.Errorf("%d starts and %d executions of the trail have no truth", len(events), len(executions))
	}
}

func TestPrice(t *testing.T) {
	f := func(state, kind, sub string, bytes int64, reused, dpu bool, wantBilled, wantNano int64, basis string) {
		t.Helper()
		x := Truth{State: state, StatementType: kind, Substatement: sub, ScannedBytes: &bytes, Reused: reused}
		x.price(dpu)
		if x.CostBasis != basis {
			t.Errorf("basis %q, want %q", x.CostBasis, basis)
		}
		if basis == "capacity" {
			if x.CostNano != nil || x.BilledBytes != nil {
				t.Error("a price on reserved capacity")
			}
			return
		}
		if *x.BilledBytes != wantBilled || *x.CostNano != wantNano {
			t.Errorf("%s %s %d: billed %d for %d, want %d for %d", state, sub, bytes, *x.BilledBytes, *x.CostNano, wantBilled, wantNano)
		}
	}
	f("SUCCEEDED", "DML", "SELECT", 1<<40, false, false, 1<<40, 5_000_000_000, "list")
	f("SUCCEEDED", "DML", "SELECT", 3_000_000, false, false, 10<<20, 47_684, "list")
	f("SUCCEEDED", "DML", "SELECT", 0, false, false, 10<<20, 47_684, "list")
	f("SUCCEEDED", "DML", "SELECT", 12_345_678, false, false, 12<<20, 57_220, "list")
	f("CANCELLED", "DML", "SELECT", 1<<30, false, false, 1<<30, 4_882_813, "list")
	f("FAILED", "DML", "SELECT", 500e9, false, false, 0, 0, "free")
	f("SUCCEEDED", "DML", "SELECT", 0, true, false, 0, 0, "free")
	f("SUCCEEDED", "DDL", "DROP_TABLE", 0, false, false, 0, 0, "free")
	f("SUCCEEDED", "UTILITY", "EXPLAIN", 0, false, false, 0, 0, "free")
	f("SUCCEEDED", "UTILITY", "EXPLAIN_ANALYZE", 1<<40, false, false, 1<<40, 5_000_000_000, "list")
	f("SUCCEEDED", "DML", "SELECT", 1<<40, false, true, 0, 0, "capacity")
}

// TestCompanyIsPlausible keeps the default company in the size of a real one.
func TestCompanyIsPlausible(t *testing.T) {
	c := Generate(Options{})
	total, team := new(big.Int), map[string][2]int64{}
	var largest Truth
	hugo := 0
	days := map[string]bool{}
	for _, x := range c.Truths() {
		days[x.EventTime[:10]] = true
		if x.Person == "hugo@example.com" && !x.at.Before(halfway.AddDate(0, 0, 1)) {
			hugo++
		}
		if x.CostNano == nil {
			continue
		}
		total.Add(total, big.NewInt(*x.CostNano))
		if largest.CostNano == nil || *x.CostNano > *largest.CostNano {
			largest = x
		}
		sum := team[x.Team]
		switch {
		case !x.at.Before(lastWeek) && x.at.Before(lastWeek.AddDate(0, 0, 7)):
			sum[1] += *x.CostNano
		case !x.at.Before(lastWeek.AddDate(0, 0, -7)) && x.at.Before(lastWeek):
			sum[0] += *x.CostNano
		}
		team[x.Team] = sum
	}
	if dollars := total.Int64() / 1e9; dollars < 300 || dollars > 900 {
		t.Errorf("the company spends %d dollars", dollars)
	}
	if n := len(c.runs); n < 11_000 || n > 13_000 {
		t.Errorf("%d starts, want about %d", n, DefaultEvents)
	}
	if largest.Person != "jana@example.com" || !slices.Contains(largest.Cases, "six_terabytes") {
		t.Errorf("the most expensive execution is %+v", largest)
	}
	if hugo > 0 {
		t.Errorf("hugo left and started %d queries", hugo)
	}
	if w := team["web-analytics"]; float64(w[1]) < 1.5*float64(w[0]) {
		t.Errorf("web-analytics spent %d, and then %d", w[0], w[1])
	}
	if len(days) != 36 {
		t.Errorf("starts on %d days, want 35 and the last night", len(days))
	}
	fewer := Generate(Options{Events: 3000})
	if n := len(fewer.runs); n < 2500 || n > 3600 {
		t.Errorf("%d starts, want about 3000", n)
	}
}

// TestAPI asks the loopback API about the company as the program does.
func TestAPI(t *testing.T) {
	ctx := context.Background()
	c := Generate(small)
	s, err := athenaapitest.Start(c.API())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	own := credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, "")
	tokens := sts.New(sts.Options{BaseEndpoint: &s.URL, Region: US, Credentials: own})
	client := func(account, region string) *athena.Client {
		role := stscreds.NewAssumeRoleProvider(tokens, strings.Replace(DetailsRole, "{account}", account, 1))
		return athena.New(athena.Options{BaseEndpoint: &s.URL, Region: region, Credentials: aws.NewCredentialsCache(role)})
	}
	asked := map[runKey]int{}
	for _, x := range c.Truths() {
		k := runKey{account: x.AccountID, region: x.Region}
		if x.QueryExecutionID == "" || asked[k] > 8 && x.Gap == "" {
			continue
		}
		asked[k]++
		out, err := client(x.AccountID, x.Region).BatchGetQueryExecution(ctx, &athena.BatchGetQueryExecutionInput{QueryExecutionIds: []string{x.QueryExecutionID}})
		if err != nil {
			t.Fatal(err)
		}
		if x.Gap == "expired" {
			if len(out.UnprocessedQueryExecutionIds) != 1 {
				t.Errorf("%s is not unknown", x.QueryExecutionID)
			}
			continue
		}
		if len(out.QueryExecutions) != 1 || string(out.QueryExecutions[0].Status.State) != x.State {
			t.Errorf("%s: got %v, want state %s", x.QueryExecutionID, out.QueryExecutions, x.State)
			continue
		}
		if running := out.QueryExecutions[0].Status.State == types.QueryExecutionStateRunning; running && *out.QueryExecutions[0].Statistics.DataScannedInBytes == 0 {
			t.Errorf("%s runs and has scanned nothing", x.QueryExecutionID)
		}
	}
	if len(asked) < 4 {
		t.Errorf("asked in %d accounts and regions, want 4", len(asked))
	}
	groups, err := client(Analytics, US).ListWorkGroups(ctx, nil)
	if err != nil || len(groups.WorkGroups) < 5 {
		t.Errorf("work groups: %v, %v", groups, err)
	}
}

func TestAppendStringIsJSON(t *testing.T) {
	for _, s := range []string{"", "plain", "a\"b\\c", "line\nbreak\ttab", "\x00\x1f", "é\u202fü", "bad \xff utf8", "日本"} {
		var back string
		if err := json.Unmarshal(appendString(nil, s), &back); err != nil || back != strings.ToValidUTF8(s, "\ufffd") {
			t.Errorf("%q came back as %q, %v", s, back, err)
		}
	}
}
