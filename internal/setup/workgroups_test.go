package setup

import (
	"fmt"
	"testing"

	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/config"
)

// Where the first few work groups are denied the rest is not asked about; where
// one is answered, the others are.
func TestDeniedWorkGroups(t *testing.T) {
	f := func(allowed string, calls, failures, answers int) {
		t.Helper()
		const account = "111122223333"
		server, err := athenaapitest.Start(athenaapitest.Config{
			Lookup: func(string, string, string) (athenaapitest.Execution, bool) { return athenaapitest.Execution{}, false },
			Keys:   []athenaapitest.Key{{ID: "AKIATESTKEY01EXAMPLE", Secret: "secret", Account: account, ARN: "arn:aws:iam::" + account + ":user/reader"}},
			Deny:   func(c athenaapitest.Call) bool { return c.WorkGroup != allowed },
			Rates:  map[string]athenaapitest.Rate{"GetWorkGroup": athenaapitest.Unlimited},
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
		e := New(&config.Config{Rates: config.Rates{GetWorkGroup: 1000}}, "athenatrail/test")
		ask := e.Askers().workGroups((*athenaapi.Client).WorkGroupSettings)
		failed, answered := 0, 0
		for i := range 8 {
			switch answer, err := ask(t.Context(), account, "eu-west-1", fmt.Sprint("g", i)); {
			case err != nil:
				failed++
			case answer != "":
				answered++
			}
		}
		if n := server.Counts("GetWorkGroup").Requests; n != calls || failed != failures || answered != answers {
			t.Errorf("%q allowed: %d calls, %d failures, %d answers, want %d, %d, %d", allowed, n, failed, answered, calls, failures, answers)
		}
	}
	f("", 3, 3, 0)
	f("g2", 8, 7, 1)
	f("g5", 3, 3, 0)
}
