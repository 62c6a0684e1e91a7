package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// batchTries is how often a part of a batch is tried that SQS could not
	// do for a reason of its own. The SDK tries whole calls again.
	batchTries = 3

	// firstPause is how long a message that was not dealt with stays away. The
	// pause doubles each time, because the queue counts how often a message is
	// received, and what is wrong may take somebody an hour to mend.
	firstPause   = 2 * time.Minute
	longestPause = time.Hour
)

// batchPause is between two tries of a part of a batch.
var batchPause = 200 * time.Millisecond

func seconds(d time.Duration) int32 { return int32(d / time.Second) }

// pauseAfter returns how long a message stays away that was received so often.
func pauseAfter(receives int) time.Duration {
	pause := firstPause
	for range receives - 1 {
		if pause *= 2; pause >= longestPause {
			return longestPause
		}
	}
	return pause
}

// Settle removes messages, or gives them back, in batches: when there are ten,
// and when nothing is under way any more. One that could not be removed comes
// again. What SQS refused is the error of the call that noticed.
func (q *queue) Settle(ctx context.Context, o Object, err error) error {
	return q.settled(ctx, thing{key: o.Key, etag: o.ETag}, err)
}

// Settled is to triggers what Settle is to log files.
func (q *queue) Settled(ctx context.Context, t Trigger, err error) error {
	return q.settled(ctx, thing{trigger: t}, err)
}

func (q *queue) settled(ctx context.Context, t thing, err error) error {
	if ctx.Err() != nil {
		// The run was ended, and the thing not dealt with either way: the next
		// List has it again, or the next program.
		return nil
	}
	q.mu.Lock()
	q.settle(t, err == nil)
	idle := q.listings == 0 && len(q.messages) == 0
	q.mu.Unlock()
	q.flush(ctx, idle)
	return q.complaint()
}

// complaint returns what SQS refused since the last call.
func (q *queue) complaint() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := errors.Join(q.complaints...)
	q.complaints = nil
	return err
}

// flush removes and gives back the messages that are dealt with: full batches,
// or all of them.
func (q *queue) flush(ctx context.Context, all bool) {
	next := func(from *[]*message) []*message {
		q.mu.Lock()
		defer q.mu.Unlock()
		if n := len(*from); n == 0 || n < received && !all {
			return nil
		}
		batch := (*from)[:min(received, len(*from))]
		*from = (*from)[len(batch):]
		return slices.Clone(batch)
	}
	for {
		finished, returned := next(&q.finished), next(&q.returned)
		if len(finished)+len(returned) == 0 {
			return
		}
		q.batch(ctx, "remove", finished, q.remove)
		q.batch(ctx, "give back", returned, func(ctx context.Context, part []*message) ([]types.BatchResultErrorEntry, error) {
			return q.setVisibility(ctx, part, func(m *message) time.Duration { return q.pause(m.receives) })
		})
	}
}

// batch does a call for messages, and again for those that SQS failed to do.
// It returns what became of each: nil, errGone, or why SQS did not do it.
func (q *queue) batch(ctx context.Context, doing string, part []*message, call func(context.Context, []*message) ([]types.BatchResultErrorEntry, error)) map[*message]error {
	failed := map[*message]error{}
	for try := 1; len(part) > 0; try++ {
		failures, err := call(ctx, part)
		if err != nil {
			if ctx.Err() == nil {
				q.complain(q.fail(doing+" messages of", err))
			}
			for _, m := range part {
				failed[m] = err
			}
			return failed
		}
		var again []*message
		for _, f := range failures {
			i, err := strconv.Atoi(aws.ToString(f.Id))
			if err != nil || i < 0 || i >= len(part) {
				continue
			}
			switch code := aws.ToString(f.Code); {
			case isGone[code]:
				failed[part[i]] = errGone
			case f.SenderFault || try == batchTries:
				err := fmt.Errorf("%s: %s", excerpt(code), excerpt(aws.ToString(f.Message)))
				failed[part[i]] = err
				q.complain(q.fail(doing+" messages of", err))
			default:
				again = append(again, part[i])
			}
		}
		if part = again; len(part) == 0 {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(try) * batchPause):
		}
	}
	return failed
}

// errGone is for a message that is no longer ours.
var errGone = errors.New("somebody else has the message")

// isGone are SQS's codes for that: the message was not kept in time, and came
// again, or was removed. InvalidParameterValue is for a receipt that expired,
// and for a message that was held for 12 hours.
var isGone = map[string]bool{
	"ReceiptHandleIsInvalid": true,
	"MessageNotInflight":     true,
	"InvalidParameterValue":  true,

	"AWS.SimpleQueueService.MessageNotInflight": true,
}

func (q *queue) remove(ctx context.Context, part []*message) ([]types.BatchResultErrorEntry, error) {
	client, err := q.sqs(ctx)
	if err != nil {
		return nil, err
	}
	in := &sqs.DeleteMessageBatchInput{QueueUrl: &q.name.url}
	for i, m := range part {
		in.Entries = append(in.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.receipt})
	}
	out, err := client.DeleteMessageBatch(ctx, in, q.there)
	if err != nil {
		return nil, err
	}
	return out.Failed, nil
}

func (q *queue) setVisibility(ctx context.Context, part []*message, timeout func(*message) time.Duration) ([]types.BatchResultErrorEntry, error) {
	client, err := q.sqs(ctx)
	if err != nil {
		return nil, err
	}
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.name.url}
	for i, m := range part {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: &m.receipt, VisibilityTimeout: seconds(timeout(m)),
		})
	}
	out, err := client.ChangeMessageVisibilityBatch(ctx, in, q.there)
	if err != nil {
		return nil, err
	}
	return out.Failed, nil
}

// keepBeating begins the heartbeat, unless it beats: while messages are held,
// it keeps them from others. It ends with the last of them, or the program.
func (q *queue) keepBeating() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopBeat != nil || len(q.messages) == 0 {
		return
	}
	ctx, cancel := context.WithCancel(q.life)
	q.stopBeat = cancel
	go func() {
		beat := time.NewTicker(q.visibility / 4)
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				q.extend(ctx)
				q.flush(ctx, true) // what waits for a full batch would come back too
			}
		}
	}()
}

// extend keeps those messages longer that would come back before the beat
// after the next.
func (q *queue) extend(ctx context.Context) {
	var due []*message
	now := time.Now()
	q.mu.Lock()
	for _, m := range q.messages {
		if !m.lost && m.until.Sub(now) < q.visibility*5/8 {
			due = append(due, &message{id: m.id, receipt: m.receipt})
		}
	}
	q.mu.Unlock()
	for part := range slices.Chunk(due, received) {
		begun := time.Now()
		failed := q.batch(ctx, "keep", part, func(ctx context.Context, part []*message) ([]types.BatchResultErrorEntry, error) {
			return q.setVisibility(ctx, part, func(*message) time.Duration { return q.visibility })
		})
		q.mu.Lock()
		for _, p := range part {
			switch m := q.messages[p.id]; {
			case m == nil || m.receipt != p.receipt:
			case failed[p] == nil:
				m.until = begun.Add(q.visibility)
			case failed[p] == errGone:
				m.lost = true
			}
		}
		q.mu.Unlock()
	}
}
