package collect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/s3test"
	"github.com/athenatrail/athenatrail/internal/source"
)

// requests counts what is asked of S3, by method and by what it is about.
type requests struct {
	mu   sync.Mutex
	of   map[string]int
	both chan struct{} // closed when the second shard of the ledger is asked for
}

func (r *requests) Do(req *http.Request) (*http.Response, error) {
	of := req.Method
	name := req.URL.Path
	if q := req.URL.Query(); req.Method == "GET" && q.Has("list-type") {
		of, name = "LIST", q.Get("prefix")
	}
	if _, below, ok := strings.Cut(name, "lake/"); ok {
		switch parts := strings.Split(below, "/"); {
		case parts[0] == "_ledger" && len(parts) > 2 && len(parts[2]) == 12:
			of += " ledger's shard" // see shard
		case parts[0] == "_ledger" && len(parts) > 2:
			of += " ledger's " + parts[2]
		default:
			of += " " + parts[0]
		}
	} else {
		of += " trail"
	}
	r.mu.Lock()
	r.of[of]++
	n := r.of[of]
	r.mu.Unlock()
	if of == shard && r.both != nil {
		// The first waits for the second, which comes only if shards are asked
		// for side by side.
		if n == 2 {
			close(r.both)
		}
		select {
		case <-r.both:
		case <-time.After(time.Minute):
			return nil, errors.New("the ledger's shards are asked for one after the other")
		}
	}
	return http.DefaultClient.Do(req)
}

// shard is what a request for a shard of the ledger is counted as.
const shard = "GET ledger's shard"

// TestNothingNewRequests counts the requests to S3 of a run that finds nothing
// new, over a trail of 30 days, 10 accounts and 4 regions: what such a run
// costs, and how long it takes, is these.
func TestNothingNewRequests(t *testing.T) {
	server := s3test.Start(t)
	trail, bucket := server.Bucket(t), server.Bucket(t)
	const days, accounts, regions = 30, 10, 4
	first := athenatrail.DateOf(now) - days + 1
	for day := range athenatrail.Date(days) {
		for account := range accounts {
			for region := range regions {
				at := (first + day).Time().Add(time.Hour)
				id, in := fmt.Sprintf("1111222233%02d", account), fmt.Sprintf("eu-west-%d", region+1)
				body := `{"eventVersion":"1.08","userIdentity":{"type":"AWSService","invokedBy":"ec2.amazonaws.com"},"eventTime":"` + at.Format(time.RFC3339) + `","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","awsRegion":"` + in + `","eventID":"s"}`
				if account == 0 && region == 0 {
					body = record(int(day), id, at, fmt.Sprintf("11111111-2222-4333-8444-5555555555%02d", day))
				}
				key := fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%016d.json", id, in, at.Format("2006/01/02"), id, in, at.Format("20060102T1504Z"), day)
				server.Put(t, trail, key, []byte(`{"Records":[`+body+`]}`))
			}
		}
	}
	ctx := context.Background()
	once := func(count *requests) *collect.Summary {
		client := server.NewClient(func(o *s3.Options) { o.HTTPClient = count })
		store, err := lake.NewS3Store(client, bucket, "lake")
		if err != nil {
			t.Fatal(err)
		}
		l, err := lake.Create(ctx, store)
		if err != nil {
			t.Fatal(err)
		}
		src, err := source.Parse(ctx, "s3://"+trail, source.Deps{S3: func(context.Context) (*s3.Client, error) { return client, nil }})
		if err != nil {
			t.Fatal(err)
		}
		sum, err := collect.Run(ctx, collect.Options{
			Lake: l, Ledger: ledger.New(l), Sources: []source.Source{src}, Lookback: source.DefaultLookback, Limits: cloudtrail.DefaultLimits,
			Settings: settings(t), Jobs: 8, Now: now, RunID: fmt.Sprintf("run-%d", runs.Add(1)),
		})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if sum := once(&requests{of: map[string]int{}}); sum.Read != days*accounts*regions {
		t.Fatalf("read %d log files", sum.Read)
	}
	count := &requests{of: map[string]int{}, both: make(chan struct{})}
	if sum := once(count); sum.Read != 0 || sum.Derived != 0 || sum.Known != 3*accounts*regions {
		t.Fatalf("got %+v", sum)
	}
	want := map[string]int{
		// The bucket, AWSLogs/, each account's CloudTrail/, and each region's
		// days of the look-back.
		"LIST trail": 2 + accounts + accounts*regions,
		// Of the day of the last log file, and the two before.
		shard:                  3 * accounts * regions,
		"GET ledger's source":  2,
		"LIST ledger's source": 1,
		"PUT ledger's source":  1, // when the source was listed
		"LIST ledger's dirty":  1,
		"GET manifest.json":    1,
		"GET tables":           1, // the boundary
		"GET _private":         1,
		"LIST _private":        1,
	}
	if diff := cmp.Diff(want, count.of); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
