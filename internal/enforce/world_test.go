package enforce

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go/middleware"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/glob"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/mototest"
	"github.com/athenatrail/athenatrail/internal/notify"
)

const (
	account = mototest.Account
	region  = "eu-west-1"
)

// A world is a lake with executions, an Athena that answers and, where a test
// asks for it, the IAM of moto.
type world struct {
	*testing.T
	lake *lake.Lake
	now  time.Time

	definitions []limit.Definition
	protect     []string
	own         []string
	completeTo  time.Time // zero: a little before now
	clock       func() (string, time.Time, error)

	mu         sync.Mutex
	executions map[string]*athenatrail.QueryExecution
	sessions   map[string]*athenatrail.Session
	groups     []athenaapitest.WorkGroup
	deny       func(athenaapitest.Call) bool

	api    *athenaapitest.Server
	moto   string // endpoint
	iam    *iam.Client
	teller *teller
	runs   int
	called sync.Map // actions of IAM that were called
}

// recorded returns a configuration whose calls are noted.
func (w *world) recorded(cfg aws.Config) aws.Config {
	cfg.APIOptions = append(cfg.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("record", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			w.called.Store(strings.ToLower(awsmiddleware.GetServiceID(ctx))+":"+awsmiddleware.GetOperationName(ctx), true)
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	})
	return cfg
}

func newWorld(t *testing.T, definitions ...limit.Definition) *world {
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		T: t, lake: l, now: noon, definitions: definitions, teller: &teller{told: map[string]int{}},
		executions: map[string]*athenatrail.QueryExecution{}, sessions: map[string]*athenatrail.Session{},
	}
	w.api, err = athenaapitest.Start(athenaapitest.Config{
		Keys: []athenaapitest.Key{{ID: "AKIAEXAMPLELIMITS000", Secret: "example", Account: account, ARN: "arn:aws:iam::" + account + ":user/limits"}},
		Now:  func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
		Rates: map[string]athenaapitest.Rate{
			"StopQueryExecution": athenaapitest.Unlimited, "TerminateSession": athenaapitest.Unlimited, "GetWorkGroup": athenaapitest.Unlimited, "UpdateWorkGroup": athenaapitest.Unlimited,
		},
		Lookup: func(_, _, id string) (athenaapitest.Execution, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			x, ok := w.executions[id]
			if !ok {
				return athenaapitest.Execution{}, false
			}
			e := athenaapitest.Execution{ID: id, WorkGroup: x.WorkGroupName, Status: athenaapitest.Status{State: x.State, SubmittedAt: athenaapitest.Epoch{Time: x.SubmissionDateTime}}}
			return e, true
		},
		Spark: athenaapitest.Spark{Session: func(_, _, id string) (athenaapitest.Session, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			x, ok := w.sessions[id]
			if !ok {
				return athenaapitest.Session{}, false
			}
			return athenaapitest.Session{ID: id, WorkGroup: x.WorkGroupName, Status: athenaapitest.SessionStatus{State: "BUSY", StartedAt: athenaapitest.Epoch{Time: x.StartedAt}}}, true
		}},
		WorkGroups: func(string, string) []athenaapitest.WorkGroup { return w.groups },
		Deny: func(c athenaapitest.Call) bool {
			w.mu.Lock()
			deny := w.deny
			w.mu.Unlock()
			return deny != nil && deny(c)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.api.Close() })
	return w
}

// withIAM starts moto's IAM, with roles and users by their names.
func (w *world) withIAM(names ...string) *world {
	w.Helper()
	w.moto = mototest.Start(w.T)
	w.iam = iam.NewFromConfig(mototest.Config(w.moto, "us-east-1"))
	for _, name := range names {
		if user, ok := strings.CutPrefix(name, "user/"); ok {
			w.must(w.iam.CreateUser(w.Context(), &iam.CreateUserInput{UserName: &user}))
			continue
		}
		path := "/"
		if strings.HasPrefix(name, "AWSReservedSSO_") {
			path = "/aws-reserved/sso.amazonaws.com/eu-west-1/"
		}
		w.must(w.iam.CreateRole(w.Context(), &iam.CreateRoleInput{RoleName: &name, Path: &path, AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`)}))
	}
	return w
}

func (w *world) must(_ any, err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// who are the people of the world, by the role or user that they come through.
func (w *world) who(person, arn string) athenatrail.Who {
	who := athenatrail.Who{Person: person, PersonKind: athenatrail.PersonHuman, Team: "analytics", PrincipalARN: arn, PrincipalType: "AssumedRole"}
	parts := strings.Split(arn[strings.LastIndexByte(arn, ':')+1:], "/")
	switch parts[0] {
	case "assumed-role":
		who.RoleName, who.RoleSessionName, who.PersonSource = parts[1], parts[2], athenatrail.SourceSessionName
		if strings.HasPrefix(parts[1], "AWSReservedSSO_") {
			who.PersonSource = athenatrail.SourceSSOSession
		}
	case "user":
		who.PrincipalType, who.PersonSource = "IAMUser", athenatrail.SourceIAMUser
	}
	return who
}

func assumed(role, session string) string {
	return "arn:aws:sts::" + account + ":assumed-role/" + role + "/" + session
}

// query adds an execution that began so long ago: one that runs with the bytes
// so far, or one that ended.
func (w *world) query(id string, who athenatrail.Who, ago time.Duration, bytes int64, runs bool) *athenatrail.QueryExecution {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := &athenatrail.QueryExecution{
		QueryExecutionID: id, EventID: "event-" + id, AccountID: account, RegionName: region, Who: who, WorkGroupName: "analysts",
		SubmissionDateTime: w.now.Add(-ago).Truncate(time.Second), State: "SUCCEEDED", DataScannedBytes: &bytes, CostBasis: athenatrail.BasisList, Currency: "USD",
	}
	cost := athenatrail.Money(bytes / 200)
	if x.Cost = &cost; runs {
		x.State, x.Gap, x.Cost, x.CostBasis, x.Currency = "RUNNING", athenatrail.GapPending, nil, "", ""
	}
	w.executions[id] = x
	return x
}

// session adds a Spark session that runs.
func (w *world) session(id string, who athenatrail.Who, ago time.Duration, dpu int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions[id] = &athenatrail.Session{
		SessionID: id, EventID: "event-" + id, AccountID: account, RegionName: region, Who: who, WorkGroupName: "ml",
		StartedAt: w.now.Add(-ago).Truncate(time.Second), State: "BUSY", Gap: athenatrail.GapPending, DPUMillis: &dpu,
	}
}

// derive writes the tables of the executions and sessions.
func (w *world) derive() {
	w.Helper()
	rows, sessions := map[athenatrail.Date][]athenatrail.QueryExecution{}, map[athenatrail.Date][]athenatrail.Session{}
	usage := map[athenatrail.UsageKey]*athenatrail.UsageRollup{}
	of := func(k athenatrail.UsageKey) *athenatrail.UsageRollup {
		if usage[k] == nil {
			usage[k] = &athenatrail.UsageRollup{UsageKey: k}
		}
		return usage[k]
	}
	for _, id := range slices.Sorted(maps.Keys(w.executions)) {
		x := *w.executions[id]
		x.Hour = int32(x.SubmissionDateTime.Hour())
		rows[athenatrail.DateOf(x.SubmissionDateTime)] = append(rows[athenatrail.DateOf(x.SubmissionDateTime)], x)
		u := of(athenatrail.UsageKey{
			Slot: x.SubmissionDateTime.Truncate(athenatrail.SlotLength), Kind: athenatrail.UsageSQL, Person: x.Person, PersonKind: x.PersonKind, PersonSource: x.PersonSource,
			Team: x.Team, RoleName: x.RoleName, AccountID: x.AccountID, RegionName: x.RegionName, WorkGroupName: x.WorkGroupName, State: x.State, Gap: x.Gap,
			CostBasis: x.CostBasis, Currency: x.Currency, Own: x.Own,
		})
		u.Executions++
		u.Known++
		u.DataScannedBytes += *x.DataScannedBytes
		if x.Cost != nil {
			u.Cost += *x.Cost
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.sessions)) {
		x := *w.sessions[id]
		sessions[athenatrail.DateOf(x.StartedAt)] = append(sessions[athenatrail.DateOf(x.StartedAt)], x)
		u := of(athenatrail.UsageKey{
			Slot: x.StartedAt.Truncate(athenatrail.SlotLength), Kind: athenatrail.UsageSpark, Person: x.Person, PersonKind: x.PersonKind, PersonSource: x.PersonSource,
			Team: x.Team, RoleName: x.RoleName, AccountID: x.AccountID, RegionName: x.RegionName, WorkGroupName: x.WorkGroupName, State: x.State, Gap: x.Gap,
		})
		u.Executions++
		u.Known++
		u.DPUMillis += *x.DPUMillis
	}
	slots := map[athenatrail.Date][]athenatrail.UsageRollup{}
	for _, u := range usage {
		slots[athenatrail.DateOf(u.Slot)] = append(slots[athenatrail.DateOf(u.Slot)], *u)
	}
	write(w, lake.QueryExecutions, rows)
	write(w, lake.Sessions, sessions)
	write(w, lake.UsageRollup, slots)
}

func write[T any](w *world, table *lake.Table[T], days map[athenatrail.Date][]T) {
	w.Helper()
	for d, rows := range days {
		if _, err := lake.WriteTable(w.Context(), w.lake, table, athenatrail.Partition{Date: d, Account: account, Region: region}, table.Sorted(rows), "test"); err != nil {
			w.Fatal(err)
		}
	}
}

// options returns what a run works with, after the tables were derived.
func (w *world) options() Options {
	w.Helper()
	w.derive()
	limits, err := limit.Compile(w.definitions, limit.Options{Zone: time.UTC, LoadZone: time.LoadLocation, Protect: w.protect})
	if err != nil {
		w.Fatal(err)
	}
	completeTo := w.completeTo
	if completeTo.IsZero() {
		completeTo = w.now.Add(-10 * time.Minute)
	}
	m := limit.NewMoment(w.now, completeTo, w.now.AddDate(0, 0, -60))
	report, err := meter.Report(w.Context(), w.lake, limits, m, false)
	if err != nil {
		w.Fatal(err)
	}
	w.runs++
	o := Options{
		Lake: w.lake, All: limits, Limits: limits, Report: report, Moment: m, RunID: fmt.Sprintf("run-%d", w.runs), Teller: w.teller,
		Config: func(_ context.Context, _, place string) (aws.Config, error) {
			if place == "" {
				if w.moto == "" {
					return aws.Config{}, errors.New("there is no IAM here")
				}
				return w.recorded(mototest.Config(w.moto, "us-east-1")), nil
			}
			return w.recorded(aws.Config{
				Region: place, BaseEndpoint: aws.String(w.api.URL), Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLELIMITS000", "example", ""),
				Retryer: func() aws.Retryer { return aws.NopRetryer{} },
			}), nil
		},
	}
	if w.clock != nil {
		o.Identify = func(context.Context) (string, time.Time, error) { return w.clock() }
	}
	for _, p := range w.own {
		o.Own = append(o.Own, glob.New(p))
	}
	return o
}

// apply runs once.
func (w *world) apply() *Result {
	w.Helper()
	result, err := Apply(w.Context(), w.options())
	if err != nil {
		w.Fatal(err)
	}
	return result
}

// says compares what was done with what is wanted, a line each: action, target,
// outcome, and the words that the message has to hold.
func (w *world) says(r *Result, want ...string) {
	w.Helper()
	var got []string
	for _, a := range r.Done {
		got = append(got, strings.TrimSpace(strings.Join([]string{a.Action, a.Target, a.Outcome, a.Reason, a.Message}, " ")))
	}
	if len(got) != len(want) {
		w.Errorf("%d done, want %d:\n%s\nwant\n%s\ntold %q", len(got), len(want), strings.Join(got, "\n"), strings.Join(want, "\n"), r.Told)
		return
	}
	for i := range want {
		if !strings.HasPrefix(strings.Join(strings.Fields(got[i]), " "), want[i]) {
			w.Errorf("done %q, want %q", got[i], want[i])
		}
	}
}

// history returns the facts, in the order of their actions.
func (w *world) history() (list []athenatrail.LimitAction) {
	w.Helper()
	for file, err := range lake.Partitions(w.Context(), w.lake, lake.LimitActions, 0, 0) {
		if err != nil {
			w.Fatal(err)
		}
		for a, err := range lake.Read(w.Context(), w.lake, lake.LimitActions, file.Partition) {
			if err != nil {
				w.Fatal(err)
			}
			list = append(list, *a)
		}
	}
	return list
}

// files returns the lake's files with their ETags.
func (w *world) files() string {
	w.Helper()
	var b strings.Builder
	for file, err := range w.lake.List(w.Context(), "") {
		if err != nil {
			w.Fatal(err)
		}
		if !strings.HasPrefix(file.Key, "tables/") {
			fmt.Fprintln(&b, file.Key, file.ETag)
		}
	}
	return b.String()
}

// inline returns the policy that blocks on a role or user, "" without one.
func (w *world) inline(name string) string {
	w.Helper()
	var text *string
	var err error
	if user, ok := strings.CutPrefix(name, "user/"); ok {
		var out *iam.GetUserPolicyOutput
		if out, err = w.iam.GetUserPolicy(w.Context(), &iam.GetUserPolicyInput{UserName: &user, PolicyName: aws.String(PolicyName)}); err == nil {
			text = out.PolicyDocument
		}
	} else {
		var out *iam.GetRolePolicyOutput
		if out, err = w.iam.GetRolePolicy(w.Context(), &iam.GetRolePolicyInput{RoleName: &name, PolicyName: aws.String(PolicyName)}); err == nil {
			text = out.PolicyDocument
		}
	}
	if isMissing(err) {
		return `{"Version":"2012-10-17","Statement":[]}`
	}
	if err != nil {
		w.Fatal(err)
	}
	doc, err := unescape(*text)
	if err != nil {
		w.Fatal(err)
	}
	return doc
}

// may tells whether a session may start a query, by a policy.
func (w *world) may(policy, session string, at time.Time) bool {
	w.Helper()
	return allowed(w.T, by("athena:StartQueryExecution", "AROAEXAMPLEROLE00001:"+session, at), everything, policy)
}

// A teller counts messages by their keys, as channels would get them.
type teller struct {
	mu       sync.Mutex
	told     map[string]int
	messages []notify.Message
	fail     error
	nobody   bool
}

func (t *teller) Send(_ context.Context, _ time.Time, messages []notify.Message) (notify.Result, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail != nil {
		return notify.Result{}, t.fail
	}
	if t.nobody {
		return notify.Result{Nobody: len(messages)}, nil
	}
	for _, m := range messages {
		t.told[m.Key]++
		t.messages = append(t.messages, m)
	}
	return notify.Result{Sent: len(messages)}, nil
}

// people is a limit of 100 GB a day for each person.
func people(mode string, thresholds ...string) limit.Definition {
	return limit.Definition{Name: "people-day", Per: "person", Measure: "scanned_bytes", Window: "day", Amount: "100 GB", Mode: mode, Thresholds: thresholds}
}
