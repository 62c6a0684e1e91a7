package scale

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/source"
)

// A Measured is what the program asked for, and how long it took by the model's
// clock, to collect a day of an organization.
type Measured struct {
	Organization

	Collect   Counts        // of all units together
	Collected time.Duration // one unit after the other
	Derive    Counts        // of the run that asks for details and derives
	Derived   time.Duration
	DayLists  int64 // of both: LISTs of all accounts' files of a day
	Days      int64 // of accounts and regions that were derived
	Wanted    int64 // executions asked for
	Calls     int64 // of Athena
	Lake      int64 // bytes
}

// jobs is what the Lambda function does side by side.
const jobs = 8

// NewAthena starts a stand-in of Athena's that knows every execution. It is
// called without a network, but has to be started.
func NewAthena() (*athenaapitest.Server, error) {
	config := athenaapitest.Config{
		Lookup: func(_, _, id string) (athenaapitest.Execution, bool) {
			at := athenaapitest.Epoch{Time: day.Add(time.Hour)}
			return athenaapitest.Execution{
				ID: id, WorkGroup: "primary", Query: "SELECT * FROM sales.orders WHERE id = '" + id + "'", StatementType: "DML",
				Status:     athenaapitest.Status{State: "SUCCEEDED", SubmittedAt: at, CompletedAt: at},
				Statistics: &athenaapitest.Statistics{DataScannedBytes: aws.Int64(123456789)},
			}, true
		},
		Now: func() time.Time { return day.AddDate(0, 0, 1) },
	}
	for n := range mostMeasured {
		config.Keys = append(config.Keys, athenaapitest.Key{ID: "AKIA" + accountID(n), Secret: "secret", Account: accountID(n), ARN: "arn:aws:iam::" + accountID(n) + ":user/reader"})
	}
	return athenaapitest.Start(config)
}

// mostMeasured is how many accounts a measured organization may have.
const mostMeasured = 64

// Measure collects a day of an organization as the Lambda functions do: its
// units, one after the other, then a run that asks Athena and derives. Time
// passes in the model alone, so it is called where the clock is one: in a bubble
// of testing/synctest.
func Measure(ctx context.Context, o Organization, l Latency, athena *athenaapitest.Server) (*Measured, error) {
	trail, lakes := newBucket(l), newBucket(l)
	trail.core = make(chan struct{}, 1)
	trail.fill(o.logFiles())
	m, err := measure(ctx, o, l, athena, trail.client(), lakes.client(), func() Counts { return trail.Counted().Plus(lakes.Counted()) }, func() int64 { return lakes.size("") })
	if err == nil {
		m.DayLists = lakes.listedDays()
	}
	return m, err
}

// units are what the function plan makes of a day and what comes late after it
// (cmd/athenatrail-lambda/plan.go): hours, or a day and an hour of each account.
func (o Organization) units() (all []source.Bounds) {
	end := day.AddDate(0, 0, 1)
	if o.ByAccount {
		for n := range o.Accounts {
			all = append(all,
				source.Bounds{From: day, To: end, Exact: true, Account: accountID(n)},
				source.Bounds{From: end, To: end.Add(time.Hour), Exact: true, Account: accountID(n)})
		}
		return all
	}
	for at := day; !at.After(end); at = at.Add(time.Hour) {
		all = append(all, source.Bounds{From: at, To: at.Add(time.Hour), Exact: true})
	}
	return all
}

func measure(ctx context.Context, o Organization, l Latency, athena *athenaapitest.Server, trail, bucket *s3.Client, count func() Counts, size func() int64) (*Measured, error) {
	store, err := lake.NewS3Store(bucket, "lake", "")
	if err != nil {
		return nil, err
	}
	run := func(name string, with func(*collect.Options) error) (*collect.Summary, error) {
		in, err := lake.Create(ctx, store)
		if err != nil {
			return nil, err
		}
		options := collect.Options{
			Lake: in, Ledger: ledger.New(in), Lookback: source.DefaultLookback, Limits: cloudtrail.DefaultLimits,
			Jobs: jobs, Now: day.AddDate(0, 0, 1).Add(3 * time.Hour), RunID: name,
		}
		if options.Settings, err = settings(); err != nil {
			return nil, err
		}
		if err := with(&options); err != nil {
			return nil, err
		}
		sum, err := collect.Run(ctx, options)
		if err == nil && sum.Incomplete() {
			err = fmt.Errorf("%s: %s", name, sum.Problems[0])
		}
		return sum, err
	}
	// The lake is there: its first write makes the manifest.
	made, err := lake.Create(ctx, store)
	if err == nil {
		err = made.SetOpen(ctx, athenatrail.NewPartition(day, accountID(0), "us-east-1"), true)
	}
	if err == nil {
		err = made.SetOpen(ctx, athenatrail.NewPartition(day, accountID(0), "us-east-1"), false)
	}
	if err != nil {
		return nil, err
	}
	m := &Measured{Organization: o}
	begin, before := time.Now(), count()
	for n, bounds := range o.units() {
		_, err := run(fmt.Sprint("unit-", n), func(c *collect.Options) error {
			src, err := source.Parse(ctx, "s3://trail", source.Deps{Jobs: jobs, S3: func(context.Context) (*s3.Client, error) { return trail, nil }})
			c.Sources, c.NoDerive, c.Bounds = []source.Source{src}, true, bounds
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	m.Collected, m.Collect = time.Since(begin), count().Minus(before)
	begin, before = time.Now(), count()
	calls := athena.Counts(athenaapi.OpBatchGetQueryExecution).Requests
	sum, err := run("derive", func(c *collect.Options) error {
		c.Details = &askers{athena: athena, latency: l, pacers: athenaapi.NewPacers(0)}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.Derived, m.Derive = time.Since(begin), count().Minus(before)
	m.Calls = int64(athena.Counts(athenaapi.OpBatchGetQueryExecution).Requests - calls)
	m.Days, m.Wanted, m.Lake = sum.Derived, sum.Wanted, size()
	return m, nil
}

func settings() (*derive.Settings, error) {
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		return nil, err
	}
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		return nil, err
	}
	return &derive.Settings{Identity: people, Prices: prices}, nil
}

// askers ask Athena after the time that taking a role takes.
type askers struct {
	athena  *athenaapitest.Server
	latency Latency
	pacers  *athenaapi.Pacers
}

func (a *askers) Of(_ context.Context, account, region string) (collect.Asker, error) {
	time.Sleep(a.latency.Role)
	return athenaapi.New(aws.Config{
		Region: region, BaseEndpoint: &a.athena.URL, HTTPClient: distant{a.athena, a.latency.Athena},
		Credentials: credentials.NewStaticCredentialsProvider("AKIA"+account, "secret", ""),
	}, account, a.pacers), nil
}

// distant is a server that is called without a network.
type distant struct {
	server http.Handler
	after  time.Duration
}

func (d distant) Do(r *http.Request) (*http.Response, error) {
	time.Sleep(d.after)
	w := httptest.NewRecorder()
	r.Host = r.URL.Host // as the signature says
	d.server.ServeHTTP(w, r)
	return w.Result(), r.Context().Err()
}
