package athenaapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/athena"

	"github.com/athenatrail/athenatrail"
)

const (
	// maxSingleReply bounds the reply about one session or calculation, in
	// bytes. A value of AdditionalConfigs alone may have 51,200 characters.
	maxSingleReply = 4 << 20

	// maxSessionAway is larger than [maxAway], because a session whose start
	// is not in the trail is looked for by what ran in it, days later. However
	// late that is, the answer lies on the day of the start, so that it is one
	// fact.
	maxSessionAway = historyDays * 24 * time.Hour
)

// States that will not change any more (API reference, SessionStatus and
// CalculationStatus). A DEGRADED session has lost its coordinators, and still
// has to end.
var (
	sessionFinal     = []string{"TERMINATED", "FAILED"}
	calculationFinal = []string{"COMPLETED", "FAILED", "CANCELED"}
)

// A keep names the members of an answer that are stored. One with a nil keep
// is stored when it is a text, a number or a truth value.
type keep map[string]keep

// What is stored of a session. Left out are Description, SparkProperties,
// Classifications and all other AdditionalConfigs, which are free to hold
// secrets; WorkingDirectory, EncryptionConfiguration and MonitoringConfiguration,
// which tell where data lies and nothing about use.
var sessionMembers = keep{
	"SessionId": nil, "WorkGroup": nil, "EngineVersion": nil, "NotebookVersion": nil,
	"EngineConfiguration": {
		"CoordinatorDpuSize": nil, "MaxConcurrentDpus": nil, "DefaultExecutorDpuSize": nil,
		"AdditionalConfigs": {"NotebookId": nil},
	},
	"SessionConfiguration": {"ExecutionRole": nil, "IdleTimeoutSeconds": nil, "SessionIdleTimeoutInMinutes": nil},
	"Status": {
		"State": nil, "StateChangeReason": nil,
		"StartDateTime": nil, "LastModifiedDateTime": nil, "EndDateTime": nil, "IdleSinceDateTime": nil,
	},
	"Statistics": {"DpuExecutionInMillis": nil},
}

// What is stored of a calculation: not WorkingDirectory and Result, the places
// of what it printed. Its Description is in the trail's own record as well.
var calculationMembers = keep{
	"CalculationExecutionId": nil, "SessionId": nil, "Description": nil,
	"Status":     {"State": nil, "StateChangeReason": nil, "SubmissionDateTime": nil, "CompletionDateTime": nil},
	"Statistics": {"DpuExecutionInMillis": nil, "Progress": nil},
}

// of returns the members of an answer that are kept. It is not nil.
func (k keep) of(members map[string]any) map[string]any {
	kept := map[string]any{}
	for name, below := range k {
		switch v := members[name].(type) {
		case map[string]any:
			if below == nil {
				continue
			}
			if inner := below.of(v); len(inner) > 0 {
				kept[name] = inner
			}
		case string:
			if below == nil {
				kept[name] = clip(v)
			}
		case json.Number:
			if below == nil && len(v) <= 40 {
				kept[name] = v
			}
		case bool:
			if below == nil {
				kept[name] = v
			}
		}
	}
	return kept
}

// single asks for the session or calculation that ids holds.
func (r *run) single(ctx context.Context, ids []Wanted) []Answer {
	ask, answers := r.partDenied(ids)
	if len(ask) == 0 {
		return answers
	}
	w := ask[0]
	if err := r.failed(); err != nil {
		return refused(ask, err)
	}
	if message, all := r.deniedAltogether(); all {
		return []Answer{r.without(w, athenatrail.OutcomeDenied, message)}
	}
	a, err := r.get(ctx, w)
	switch {
	case err == nil:
		r.won()
		return []Answer{a}
	case isDenied(err):
		r.deny(ask, messageOf(err))
		r.mu.Lock()
		r.denials++
		r.mu.Unlock()
		return []Answer{r.without(w, athenatrail.OutcomeDenied, messageOf(err))}
	case isNotFound(err):
		r.won()
		return []Answer{r.without(w, athenatrail.OutcomeNotFound, messageOf(err))}
	case isInvalid(err):
		r.won()
		return []Answer{r.without(w, invalidOutcome(err), messageOf(err))}
	case isFatal(err) || r.lose() >= mostLost:
		r.fail(err)
	}
	return refused(ask, err)
}

// deniedAltogether reports whether nothing but denials was heard, and enough
// of them, with the words for those that are not asked for.
func (r *run) deniedAltogether() (message string, all bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("not asked: the first %d calls were all denied", mostDenied), !r.heard && r.denials >= mostDenied
}

// get makes one GetSession or GetCalculationExecution.
func (r *run) get(ctx context.Context, w Wanted) (a Answer, err error) {
	operation := OpGetSession
	call := func(more func(*athena.Options)) error {
		_, err := r.api.GetSession(ctx, &athena.GetSessionInput{SessionId: &w.ID}, more)
		return err
	}
	if w.Kind == athenatrail.KindCalculation {
		operation = OpGetCalculationExecution
		call = func(more func(*athena.Options)) error {
			_, err := r.api.GetCalculationExecution(ctx, &athena.GetCalculationExecutionInput{CalculationExecutionId: &w.ID}, more)
			return err
		}
	}
	err = r.send(ctx, operation, maxSingleReply, call, func(body []byte) (err error) {
		a, err = r.sparkAnswer(w, r.kind, body)
		return err
	})
	return a, err
}

// sparkAnswer makes the fact of a reply about a session or calculation.
func (c *Client) sparkAnswer(w Wanted, k kind, body []byte) (Answer, error) {
	all, err := decodeMembers(body)
	if err != nil {
		return Answer{}, err
	}
	members, id, started := sessionMembers, "SessionId", "StartDateTime"
	if w.Kind == athenatrail.KindCalculation {
		members, id, started = calculationMembers, "CalculationExecutionId", "SubmissionDateTime"
	}
	if got, ok := all[id].(string); ok && got != w.ID {
		return Answer{}, fmt.Errorf("%w: asked for %s, answered for %q", errReply, w.ID, clip(got))
	}
	kept := members.of(all)
	status, _ := kept["Status"].(map[string]any)
	state, _ := status["State"].(string)
	if state == "" {
		return Answer{}, fmt.Errorf("%w: no state in it", errReply)
	}
	text, err := canonical(kept)
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", errReply, err)
	}
	submitted := timestamp(status[started], w.Started, k.away)
	day := submitted
	if day.IsZero() {
		day = w.Started
	}
	return Answer{Wanted: w, Detail: athenatrail.Detail{
		Home:        athenatrail.NewPartition(day, c.account, c.region),
		Kind:        w.Kind,
		ID:          w.ID,
		Outcome:     athenatrail.OutcomeAnswered,
		State:       state,
		Final:       slices.Contains(k.final, state),
		SubmittedAt: submitted,
		Answer:      text,
	}}, nil
}
