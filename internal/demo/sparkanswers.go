package demo

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// sparkAnswers makes up what Athena will say of all sessions and calculations,
// and what of it is true at Now.
func (c *Company) sparkAnswers() {
	b := &builder{c: c, r: newRandom(c.seed, "spark answers")}
	for _, x := range c.sessions {
		b.describeSession(x)
	}
}

// describeSession tells a session's times and DPU time: its coordinator's from
// start to end, and the executors' while calculations run.
func (b *builder) describeSession(x *sparkSession) {
	a := x.ask
	busy := x.started
	var used, ran int64
	for i, y := range x.calculations {
		longest := 5 * time.Minute
		if i+1 < len(x.calculations) {
			longest = min(longest, x.calculations[i+1].at.Sub(y.at)-3*time.Second)
		}
		took := time.Duration(b.r.between(4000, max(4001, int(longest.Milliseconds())))) * time.Millisecond
		switch {
		case i+1 == len(x.calculations) && a.lastRuns > 0:
			took = a.lastRuns
		case y.state == "CANCELED":
			took = x.calculations[i+1].at.Sub(y.at) - 3*time.Second // somebody stops it, and goes on
		}
		y.answer = b.calculationAnswer(x, y, y.at.Add(took), int64(b.r.between(1, 8)))
		used += y.answer.Statistics.DPUMillis
		ran += took.Milliseconds()
		busy = y.at.Add(took)
	}
	if a.connect {
		busy = busy.Add(a.busy)
	}
	lag := time.Duration(b.r.between(3000, 9000)) * time.Millisecond
	st := athenaapitest.SessionStatus{State: "TERMINATED", StartedAt: athenaapitest.Epoch{Time: x.started}}
	switch {
	case a.failed != "":
		st.State, st.Reason = "FAILED", a.failed
		st.EndedAt.Time = busy.Add(lag)
	case !x.ends.IsZero():
		st.EndedAt.Time = x.ends.Truncate(time.Millisecond).Add(lag)
		st.Reason = "Session terminated by user"
	default:
		// Athena tells since when a session is idle that ended for it.
		st.EndedAt.Time = busy.Add(time.Duration(a.timeout)*time.Minute + lag)
		st.IdleSince.Time, st.Reason = busy, "Session idle timeout exceeded"
	}
	st.ModifiedAt = st.EndedAt
	took := st.EndedAt.Sub(x.started).Milliseconds()
	total := took + used
	if a.connect {
		total = took + 2*a.busy.Milliseconds() // a driver, and two executors while it works
	}
	x.answer = athenaapitest.Session{
		ID: x.truth.SessionID, Description: "session of " + x.truth.Person, WorkGroup: a.group, EngineVersion: x.truth.EngineVersion, NotebookVersion: "Jupyter 1",
		Engine: &athenaapitest.EngineConfiguration{CoordinatorDPUs: 1, MaxConcurrentDPUs: 20, ExecutorDPUs: 1,
			AdditionalConfigs: map[string]string{"NotebookId": a.book, "NotebookIframeParentUrl": "https://" + x.truth.Region + ".console.aws.amazon.com"},
			SparkProperties:   map[string]string{"spark.hadoop.fs.s3a.secret.key": "EXAMPLE-secret-that-nobody-should-store"}},
		Configuration: &athenaapitest.SessionConfiguration{ExecutionRole: x.truth.ExecutionRole, IdleTimeoutSeconds: int64(a.timeout) * 60, IdleTimeoutMinutes: a.timeout,
			WorkingDirectory: outputs(x.truth.AccountID, x.truth.Region) + x.truth.SessionID},
		Status: st, Statistics: &athenaapitest.SparkStatistics{DPUMillis: total},
	}
	if a.connect {
		x.answer.NotebookVersion = ""
		x.answer.Engine = &athenaapitest.EngineConfiguration{MaxConcurrentDPUs: 4,
			Classifications: []athenaapitest.Classification{{Name: "spark-defaults", Properties: map[string]string{"spark.sql.shuffle.partitions": "64"}}}}
	}
	x.tell(b.c.Now, busy, ran)
}

func (b *builder) calculationAnswer(x *sparkSession, y *sparkCalculation, done time.Time, executors int64) athenaapitest.Calculation {
	id := y.truth.CalculationID
	place := outputs(x.truth.AccountID, x.truth.Region) + x.truth.SessionID + "/" + id
	out := athenaapitest.Calculation{
		ID: id, SessionID: x.truth.SessionID, Description: y.truth.Description, WorkingDirectory: place, WorkGroup: x.ask.group,
		Status:     athenaapitest.CalculationStatus{State: y.state, SubmittedAt: athenaapitest.Epoch{Time: y.at}, CompletedAt: athenaapitest.Epoch{Time: done}},
		Statistics: &athenaapitest.SparkStatistics{DPUMillis: executors * done.Sub(y.at).Milliseconds(), Progress: "100%"},
		Code:       fmt.Sprintf("token = \"EXAMPLE-secret\"\nspark.read.parquet(\"s3://example-store-lake/ml/\").count() # %s", y.truth.Description),
	}
	switch y.state {
	case "FAILED":
		out.Status.Reason = "Calculation failed: Py4JJavaError: An error occurred while calling o85.count"
		out.Statistics.Progress = "41%"
	case "CANCELED":
		out.Status.Reason = "Calculation was canceled by the user"
		out.Statistics.Progress = "63%"
	default:
		out.Result = &athenaapitest.CalculationResult{StdOut: place + "/stdout", StdError: place + "/stderr", Result: place + "/result", ResultType: "application/vnd.aws.athena.v1+json"}
	}
	return out
}

// tell fills in what is true as of now of a session that worked until busy,
// and whose calculations ran for so many milliseconds.
func (x *sparkSession) tell(now, busy time.Time, ran int64) {
	t := &x.truth
	for _, y := range x.calculations {
		y.tell(now)
	}
	if x.ask.lost {
		t.Gap = "expired"
		return
	}
	if x.ask.unrecorded || x.ask.at.Before(firstDay) {
		t.Gap = "no_event"
	}
	seen := x.answer.At(now)
	t.State = seen.Status.State
	t.StartedAtMillis = seen.Status.StartedAt.UnixMilli()
	until := now
	if seen.Status.EndedAt.IsZero() {
		t.Gap = cmp.Or(t.Gap, "pending")
	} else {
		until = seen.Status.EndedAt.Time
		t.EndedAtMillis = until.UnixMilli()
	}
	if !busy.After(now) && x.ask.failed == "" {
		t.IdleSinceMillis = busy.UnixMilli()
	}
	switch {
	case x.ask.connect && !seen.Status.IdleSince.IsZero():
		idle := until.Sub(seen.Status.IdleSince.Time).Milliseconds()
		t.IdleMillis = &idle
	case !x.ask.connect:
		idle := until.Sub(x.started).Milliseconds() - ran
		if busy.After(until) {
			idle += busy.Sub(until).Milliseconds() // what the last one has still to run
		}
		t.IdleMillis = &idle
	}
	dpus := seen.Statistics.DPUMillis
	t.DPUMillis = &dpus
	for _, y := range x.calculations {
		if y.truth.DPUMillis != nil {
			t.CalculationDPUMillis += *y.truth.DPUMillis
		}
	}
	t.price()
}

func (y *sparkCalculation) tell(now time.Time) {
	t := &y.truth
	if !y.known {
		t.Gap = "expired"
		return
	}
	seen := y.answer.At(now)
	t.State, t.Progress = seen.Status.State, seen.Statistics.Progress
	t.SubmittedAt = seen.Status.SubmittedAt.UnixMilli()
	dpus := seen.Statistics.DPUMillis
	t.DPUMillis = &dpus
	if seen.Status.CompletedAt.IsZero() {
		t.Gap = "pending"
		return
	}
	t.CompletedAt = seen.Status.CompletedAt.UnixMilli()
}

// finishSpark builds what the API answers from.
func (c *Company) finishSpark() {
	c.sessionsByID, c.calculations = map[runKey]*sparkSession{}, map[runKey]*sparkCalculation{}
	for _, x := range c.sessions {
		if !x.ask.lost {
			c.sessionsByID[runKey{x.truth.AccountID, x.truth.Region, x.truth.SessionID}] = x
		}
		for _, y := range x.calculations {
			if y.known {
				c.calculations[runKey{x.truth.AccountID, x.truth.Region, y.truth.CalculationID}] = y
			}
		}
	}
}

// spark is what Athena answers about sessions and calculations.
func (c *Company) spark() athenaapitest.Spark {
	sessions := func(is func(x *sparkSession) bool) []string {
		var found []*sparkSession
		for _, x := range c.sessions {
			if !x.ask.lost && is(x) {
				found = append(found, x)
			}
		}
		slices.SortFunc(found, func(x, y *sparkSession) int { return y.started.Compare(x.started) })
		var ids []string
		for _, x := range found {
			ids = append(ids, x.truth.SessionID)
		}
		return ids
	}
	return athenaapitest.Spark{
		Session: func(account, region, id string) (athenaapitest.Session, bool) {
			x, ok := c.sessionsByID[runKey{account, region, id}]
			if !ok {
				return athenaapitest.Session{}, false
			}
			return x.answer, true
		},
		Calculation: func(account, region, id string) (athenaapitest.Calculation, bool) {
			y, ok := c.calculations[runKey{account, region, id}]
			if !ok {
				return athenaapitest.Calculation{}, false
			}
			return y.answer, true
		},
		Sessions: func(account, region, workGroup string) []string {
			return sessions(func(x *sparkSession) bool {
				return x.truth.AccountID == account && x.truth.Region == region && x.truth.WorkGroup == workGroup
			})
		},
		NotebookSessions: func(account, region, notebook string) []string {
			return sessions(func(x *sparkSession) bool {
				return x.truth.AccountID == account && x.truth.Region == region && x.truth.NotebookID == notebook
			})
		},
		Calculations: func(account, region, session string) []string {
			var ids []string
			if x, ok := c.sessionsByID[runKey{account, region, session}]; ok {
				ids = slices.Clone(x.truth.Calculations)
				slices.Reverse(ids)
			}
			return ids
		},
	}
}
