package derive

import (
	"cmp"
	"encoding/json"
	"hash/fnv"
	"math"
	"strings"

	"github.com/athenatrail/athenatrail"
)

// A detail is what is kept of the Athena API's answer for an execution.
type detail struct {
	rank    int8
	final   bool
	reused  optional
	on      athenatrail.Date // the day it lies on
	sum     uint64           // of the whole, to order what is equal otherwise
	id      string
	setting *setting

	reason               string
	submitted, completed int64 // milliseconds since 1970; 0 is unknown
	textHash             string

	scanned, engine, queue, planning, service, total count

	dpus   *float64
	failed *failure
}

// A failure is Athena's AthenaError.
type failure struct {
	category, kind *int32
	message        string
}

// answered reports whether Athena said anything.
func (det *detail) answered() bool {
	return det != nil && det.setting.outcome == athenatrail.OutcomeAnswered
}

// A count is a number that is not negative; -1 stands for one that is not
// known.
type count int64

const noCount count = -1

func (c count) pointer() *int64 {
	if c < 0 {
		return nil
	}
	n := int64(c)
	return &n
}

// rankOf tells how much a detail says: an answer beats none, a final one any.
// Of those that hold no answer, what will not change goes before what may.
func rankOf(det *athenatrail.Detail) int8 {
	switch det.Outcome {
	case athenatrail.OutcomeAnswered:
		if det.Final {
			return 6
		}
		return 5
	case athenatrail.OutcomeTooOld:
		return 4
	case athenatrail.OutcomeNotFound:
		return 3
	case athenatrail.OutcomeUnprocessed:
		return 2
	case athenatrail.OutcomeDenied:
		return 1
	}
	return 0
}

// beats orders the details of one execution. Facts hold one for each day, so
// the last comparisons matter only for lakes that were written by hand.
func (det *detail) beats(other *detail) bool {
	return cmp.Or(
		cmp.Compare(det.rank, other.rank),
		cmp.Compare(other.on, det.on),
		cmp.Compare(det.sum, other.sum),
	) > 0
}

// gap returns why a row with that detail is not complete, or "".
func (det *detail) gap() string {
	if det == nil {
		return athenatrail.GapOf("", false)
	}
	return athenatrail.GapOf(det.setting.outcome, det.final)
}

// queryExecution is what is read of Athena's QueryExecution, in the form that
// the API's JSON has (Athena API reference, QueryExecution). Its numbers and
// times take what they can and never fail, and encoding/json passes over a
// member of another type, so that one odd member costs no other.
type queryExecution struct {
	StatementType, SubstatementType, WorkGroup string
	QueryExecutionContext                      struct{ Database, Catalog string }
	Status                                     struct {
		State, StateChangeReason               string
		SubmissionDateTime, CompletionDateTime instant
		AthenaError                            struct {
			ErrorCategory, ErrorType number
			ErrorMessage             string
		}
	}
	Statistics struct {
		EngineExecutionTimeInMillis      number
		DataScannedInBytes               number
		TotalExecutionTimeInMillis       number
		QueryQueueTimeInMillis           number
		ServicePreProcessingTimeInMillis number
		QueryPlanningTimeInMillis        number
		ServiceProcessingTimeInMillis    number
		DpuCount                         real
		ResultReuseInformation           struct{ ReusedPreviousResult *bool }
	}
	EngineVersion struct{ SelectedEngineVersion, EffectiveEngineVersion string }
}

// decodeDetail reads an answer. One that is no JSON says what the fact's own
// columns say.
func (d *Day) decodeDetail(det *athenatrail.Detail) *detail {
	sum := fnv.New64a()
	for _, s := range [...]string{det.Outcome, det.State, det.TextHash, det.Answer} {
		sum.Write([]byte(s))
		sum.Write([]byte{0})
	}
	out := &detail{
		rank: rankOf(det), final: det.Final, on: det.Home.Date, sum: sum.Sum64(),
		id: strings.Clone(bounded(det.ID)), textHash: d.pool.text(det.TextHash),
		scanned: noCount, engine: noCount, queue: noCount, planning: noCount, service: noCount, total: noCount,
	}
	if det.Outcome != athenatrail.OutcomeAnswered {
		out.setting = d.pool.setting(setting{outcome: det.Outcome})
		return out
	}

	var q queryExecution
	// An error is about one member, and the others are there; or about the
	// JSON, and none is.
	_ = json.Unmarshal([]byte(det.Answer), &q)
	out.setting = d.pool.setting(setting{
		workGroup:     q.WorkGroup,
		catalog:       q.QueryExecutionContext.Catalog,
		database:      q.QueryExecutionContext.Database,
		outcome:       det.Outcome,
		state:         spelled(cmp.Or(q.Status.State, det.State)),
		statementType: q.StatementType,
		substatement:  q.SubstatementType,
		engineVersion: cmp.Or(q.EngineVersion.EffectiveEngineVersion, q.EngineVersion.SelectedEngineVersion),
	})
	out.reason = d.pool.text(q.Status.StateChangeReason)
	out.submitted = int64(q.Status.SubmissionDateTime)
	if out.submitted == 0 && !det.SubmittedAt.IsZero() {
		out.submitted = det.SubmittedAt.UnixMilli()
	}
	out.completed = int64(q.Status.CompletionDateTime)
	if e := &q.Status.AthenaError; e.ErrorCategory.known || e.ErrorType.known || e.ErrorMessage != "" {
		out.failed = &failure{e.ErrorCategory.int32(), e.ErrorType.int32(), d.pool.text(e.ErrorMessage)}
	}

	s := &q.Statistics
	out.scanned = s.DataScannedInBytes.count()
	out.engine = s.EngineExecutionTimeInMillis.count()
	out.queue = s.QueryQueueTimeInMillis.count()
	out.planning = s.QueryPlanningTimeInMillis.count()
	out.total = s.TotalExecutionTimeInMillis.count()
	// service_ms is Athena's own time on both sides of the engine's.
	out.service = s.ServiceProcessingTimeInMillis.count().plus(s.ServicePreProcessingTimeInMillis.count())
	out.dpus = s.DpuCount.pointer()
	out.reused = optionalOf(s.ResultReuseInformation.ReusedPreviousResult)
	return out
}

// spelled returns a state as the API spells it; metrics and calculations write
// CANCELED.
func spelled(state string) string {
	if state == "CANCELED" {
		return "CANCELLED"
	}
	return state
}

// plus adds what is known: of two counts of which one is known, that one.
func (c count) plus(other count) count {
	switch {
	case c < 0:
		return other
	case other < 0:
		return c
	}
	return count(sum(int64(c), int64(other)))
}

// sum adds two numbers that are not negative, up to the largest there is.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
