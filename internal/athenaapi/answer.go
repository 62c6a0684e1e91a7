package athenaapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/athenatrail/athenatrail"
)

// maxReply bounds one reply to a batch, in bytes: 50 texts of 262,144 bytes, each of
// which JSON may write in six, and as much again for the rest.
const maxReply = 160 << 20

// A capture keeps the body of a reply as it came, so that members that the SDK
// does not know survive, and numbers stay as they were written.
type capture struct {
	most   int // bytes that the reply may have
	status int
	body   []byte
	err    error
}

// add puts the capture next to the transport, in front of the SDK's decoder.
func (c *capture) add(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CaptureBody",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
			out middleware.DeserializeOutput, metadata middleware.Metadata, err error,
		) {
			out, metadata, err = next.HandleDeserialize(ctx, in)
			response, ok := out.RawResponse.(*smithyhttp.Response)
			if err != nil || !ok || response == nil {
				return out, metadata, err
			}
			defer response.Body.Close()
			c.status = response.StatusCode
			c.body, c.err = io.ReadAll(io.LimitReader(response.Body, int64(c.most)+1))
			if c.err == nil && len(c.body) > c.most {
				c.err = fmt.Errorf("reply larger than %d bytes", c.most)
			}
			if c.err != nil {
				return out, metadata, fmt.Errorf("%w: %w", errReply, c.err)
			}
			response.Body = io.NopCloser(bytes.NewReader(c.body))
			return out, metadata, nil
		}), middleware.After)
}

// errReply is for a reply that was cut, or is not what the API promises.
var errReply = errors.New("read Athena's reply")

// A reply is one answer of BatchGetQueryExecution, by id.
type reply struct {
	executions  map[string]json.RawMessage
	unprocessed map[string]unprocessed
}

// An unprocessed says why Athena did not answer for an id. The zero value is
// for an id that a reply does not mention at all.
type unprocessed struct {
	QueryExecutionID string `json:"QueryExecutionId"`
	ErrorCode        string
	ErrorMessage     string
}

func (u unprocessed) outcome() string {
	switch {
	case saysNotFound(u.ErrorCode) || saysNotFound(u.ErrorMessage):
		return athenatrail.OutcomeNotFound
	case saysDenied(u.ErrorCode) || saysDenied(u.ErrorMessage):
		return athenatrail.OutcomeDenied
	}
	return athenatrail.OutcomeUnprocessed
}

func (u unprocessed) message() string {
	switch {
	case u == unprocessed{}:
		return "not in Athena's answer"
	case u.ErrorCode == "" || u.ErrorMessage == "":
		return clip(u.ErrorCode + u.ErrorMessage)
	}
	return clip(u.ErrorCode + ": " + u.ErrorMessage)
}

func decodeReply(body []byte) (reply, error) {
	var wire struct {
		QueryExecutions              []json.RawMessage
		UnprocessedQueryExecutionIds []unprocessed
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return reply{}, fmt.Errorf("%w: %w", errReply, err)
	}
	r := reply{map[string]json.RawMessage{}, map[string]unprocessed{}}
	for _, raw := range wire.QueryExecutions {
		var e struct {
			ID string `json:"QueryExecutionId"`
		}
		if json.Unmarshal(raw, &e) != nil {
			continue // it names no id: whoever wanted it finds it missing
		}
		if _, twice := r.executions[e.ID]; !twice {
			r.executions[e.ID] = raw
		}
	}
	for _, u := range wire.UnprocessedQueryExecutionIds {
		if _, twice := r.unprocessed[u.QueryExecutionID]; !twice {
			r.unprocessed[u.QueryExecutionID] = u
		}
	}
	return r, nil
}

// Answer makes the facts of one QueryExecution, in the API's JSON.
func (c *Client) Answer(w Wanted, raw json.RawMessage) Answer {
	members, err := decodeMembers(raw)
	if err != nil {
		return Answer{Wanted: w, Err: err}
	}
	sql, _ := members["Query"].(string)
	delete(members, "Query")
	text, err := canonical(members)
	if err != nil {
		return Answer{Wanted: w, Err: fmt.Errorf("%w: %w", errReply, err)}
	}
	status, _ := members["Status"].(map[string]any)
	state, _ := status["State"].(string)
	submitted := timestamp(status["SubmissionDateTime"], w.Started, maxAway)
	day := submitted
	if day.IsZero() {
		day = w.Started
	}
	a := Answer{Wanted: w, Detail: athenatrail.Detail{
		Home:        athenatrail.NewPartition(day, c.account, c.region),
		Kind:        athenatrail.KindQueryExecution,
		ID:          w.ID,
		Outcome:     athenatrail.OutcomeAnswered,
		State:       state,
		Final:       slices.Contains(executionFinal, state),
		SubmittedAt: submitted,
		Answer:      text,
	}}
	if sql != "" {
		a.Detail.TextHash = athenatrail.HashText(sql)
		a.Text = &athenatrail.QueryText{Home: a.Detail.Home, TextHash: a.Detail.TextHash, QueryString: sql}
	}
	return a
}

// decodeMembers reads a JSON object, with numbers as they were written.
func decodeMembers(raw []byte) (members map[string]any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		return nil, fmt.Errorf("%w: %w", errReply, err)
	}
	return members, nil
}

// canonical writes JSON with a map's keys sorted, no white space, and numbers
// as they were read.
func canonical(members any) (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(members); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// executionFinal are the states of query executions that will not change any
// more. Athena spells the last with two Ls here and with one elsewhere.
var executionFinal = []string{"SUCCEEDED", "FAILED", "CANCELLED", "CANCELED"}

// maxAway is how far a submission may lie from the start event. The two are
// seconds apart.
const maxAway = 48 * time.Hour

// timestamp reads a time of Athena's JSON, seconds since 1970 with a fraction,
// to the millisecond. It is zero when absent, or further than away from
// started.
func timestamp(v any, started time.Time, away time.Duration) time.Time {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}
	}
	seconds, err := n.Float64()
	if err != nil || math.Abs(seconds) > 1e11 {
		return time.Time{}
	}
	t := time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	if !started.IsZero() && t.Sub(started).Abs() > away {
		return time.Time{}
	}
	return t
}
