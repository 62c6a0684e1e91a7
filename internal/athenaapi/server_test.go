package athenaapi_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// The whole way, against a server that behaves as Athena and STS do: a role
// taken in another account, a denied work group, an unknown id, an old one, a
// cut connection, and more calls than the rate allows.
func TestAgainstAthena(t *testing.T) {
	const own, other = "111122223333", "444455556666"
	now := time.Now()
	started := now.Add(-time.Hour).Truncate(time.Second)
	group := func(i int) string { return []string{"primary", "etl", "secret"}[i%3] }
	known := map[string]athenaapitest.Execution{}
	var wanted []athenaapi.Wanted
	for i := range 600 {
		id := fmt.Sprintf("id-%05d", i)
		known[id] = athenaapitest.Execution{
			ID: id, Query: "SELECT " + id, StatementType: "DML", WorkGroup: group(i),
			Status:     athenaapitest.Status{State: "SUCCEEDED", SubmittedAt: athenaapitest.Epoch{Time: started}, CompletedAt: athenaapitest.Epoch{Time: started.Add(time.Second)}},
			Statistics: &athenaapitest.Statistics{DataScannedBytes: aws.Int64(int64(i))},
		}
		wanted = append(wanted, athenaapi.Wanted{ID: id, Started: started, WorkGroup: group(i)})
	}
	wanted = append(wanted,
		athenaapi.Wanted{ID: "unknown", Started: started},
		athenaapi.Wanted{ID: "old", Started: now.AddDate(0, 0, -46)})
	server, err := athenaapitest.Start(athenaapitest.Config{
		Lookup: func(account, region, id string) (athenaapitest.Execution, bool) {
			e, ok := known[id]
			return e, ok && account == other && region == "eu-west-1"
		},
		Keys:  []athenaapitest.Key{{ID: "AKIATESTKEY01EXAMPLE", Secret: "secret", Account: own, ARN: "arn:aws:iam::" + own + ":user/reader"}},
		Roles: []athenaapitest.Role{{ARN: "arn:aws:iam::" + other + ":role/athenatrail-reader", ExternalID: "shared"}},
		Rates: map[string]athenaapitest.Rate{"BatchGetQueryExecution": {PerSecond: 20, Burst: 2}},
		Deny:  func(c athenaapitest.Call) bool { return c.WorkGroup == "secret" },
		Fault: func(c athenaapitest.Call) athenaapitest.Fault {
			if c.Operation != "BatchGetQueryExecution" {
				return athenaapitest.Fault{}
			}
			switch c.Number {
			case 1:
				return athenaapitest.Fault{Cut: true}
			case 3:
				return athenaapitest.Fault{Status: http.StatusInternalServerError}
			}
			return athenaapitest.Fault{}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIATESTKEY01EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_REGION": "eu-west-1", "HOME": t.TempDir(),
	} {
		t.Setenv(k, v)
	}
	conn, err := awsconn.New(t.Context(), awsconn.Options{
		Accounts:  []awsconn.Account{{ID: other, Role: "arn:aws:iam::" + other + ":role/athenatrail-reader", ExternalID: "shared"}},
		UserAgent: "athenatrail/test",
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := conn.Config(t.Context(), other, "eu-west-1")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for a := range athenaapi.New(cfg, other, athenaapi.NewPacers(40)).Details(t.Context(), now, wanted) {
		if a.Err != nil {
			t.Fatalf("%s: %v", a.Wanted.ID, a.Err)
		}
		got[a.Detail.Outcome]++
		if a.Detail.Outcome == athenatrail.OutcomeAnswered && (a.Text.QueryString != "SELECT "+a.Wanted.ID || !a.Detail.SubmittedAt.Equal(started)) {
			t.Errorf("%s: %+v", a.Wanted.ID, a)
		}
	}
	want := map[string]int{
		athenatrail.OutcomeAnswered: 400, athenatrail.OutcomeDenied: 200,
		athenatrail.OutcomeNotFound: 1, athenatrail.OutcomeTooOld: 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if c := server.Counts("BatchGetQueryExecution"); c.Throttled == 0 || c.Faults != 2 {
		t.Errorf("counts %+v: the test shows less than it says", c)
	}
}
