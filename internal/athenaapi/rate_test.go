package athenaapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// A far server answers after some time, without a network.
type far struct {
	server http.Handler
	after  time.Duration
}

func (f far) Do(r *http.Request) (*http.Response, error) {
	time.Sleep(f.after / 2)
	w := httptest.NewRecorder()
	r.Host = r.URL.Host // as the signature says
	f.server.ServeHTTP(w, r)
	time.Sleep(f.after - f.after/2)
	return w.Result(), r.Context().Err()
}

// TestDetailsUseTheRate asks a stand-in with Athena's rules for ids, at the
// rate that Athena allows, in a time of the test's own: however far the region
// is, 95 % of the ids that are allowed a second are answered, and next to no
// call is throttled.
func TestDetailsUseTheRate(t *testing.T) {
	const account, calls = "111122223333", 1200
	for _, allowed := range []float64{athenaapi.DefaultRate, 20} {
		for _, after := range []time.Duration{200 * time.Millisecond, time.Second, 2 * time.Second} {
			t.Run(fmt.Sprintf("%v a second, answers of %v", allowed, after), func(t *testing.T) {
				server, err := athenaapitest.Start(athenaapitest.Config{
					Lookup: func(_, _, id string) (athenaapitest.Execution, bool) {
						return athenaapitest.Execution{ID: id, WorkGroup: "primary", Status: athenaapitest.Status{State: "SUCCEEDED"}}, true
					},
					Keys: []athenaapitest.Key{{ID: "AKIATESTKEY01EXAMPLE", Secret: "secret", Account: account, ARN: "arn:aws:iam::" + account + ":user/reader"}},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer server.Close()
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					var wanted []athenaapi.Wanted
					for i := range calls * athenaapi.BatchSize {
						wanted = append(wanted, athenaapi.Wanted{ID: fmt.Sprintf("id-%06d", i), Started: begin.Add(-time.Hour)})
					}
					client := athenaapi.New(aws.Config{
						Region: "eu-west-1", BaseEndpoint: &server.URL, HTTPClient: far{server, after},
						Credentials: credentials.NewStaticCredentialsProvider("AKIATESTKEY01EXAMPLE", "secret", ""),
					}, account, athenaapi.NewPacers(allowed))
					answered := 0
					for a := range client.Details(t.Context(), begin, wanted) {
						if a.Err != nil {
							t.Error(a.Err)
							break
						}
						answered++
					}
					took := time.Since(begin)
					got := float64(answered) / took.Seconds() / (allowed * athenaapi.BatchSize)
					counts := server.Counts("BatchGetQueryExecution")
					t.Logf("%d calls in %v: %.1f %% of what is allowed, %d throttled", counts.Requests, took.Round(time.Second/10), 100*got, counts.Throttled)
					if answered != len(wanted) || got < 0.95 || counts.Throttled*100 >= counts.Requests {
						t.Errorf("%d of %d answered, %.1f %% of what is allowed, %d of %d calls throttled", answered, len(wanted), 100*got, counts.Throttled, counts.Requests)
					}
				})
			})
		}
	}
}
