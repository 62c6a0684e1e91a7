package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/source"
)

// queue collects the log files that a batch of messages announces, and derives
// their days. Messages whose log files are not all in place are named in the
// answer: SQS gives them again, and at last to the dead letters. The event
// source mapping must report batch item failures.
func queue(ctx context.Context, p *program, log *slog.Logger, input json.RawMessage) (any, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(input, &batch); err != nil || len(batch.Records) == 0 {
		return nil, inputError(input, err, "an event of SQS, with Records")
	}
	messages := make([]source.Message, len(batch.Records))
	for i, r := range batch.Records {
		receives, _ := strconv.Atoi(r.Attributes["ApproximateReceiveCount"])
		messages[i] = source.Message{ID: r.MessageId, Body: r.Body, Receives: receives}
	}
	w, err := p.work(ctx, log)
	if err != nil {
		return nil, err
	}
	stop, cancel := stopAt(ctx, time.Now())
	defer cancel()
	failed, sum, err := w.deliver(ctx, messages, stop)
	if err != nil {
		// All messages come again. Those that were done cost a look at the
		// ledger then.
		return nil, fmt.Errorf("collect what %d messages announce: %w", len(messages), err)
	}
	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, id := range failed {
		answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	log.Info("queue", "messages", len(messages), "failed", len(failed), "read", sum.Read, "derived", sum.Derived)
	return answer, nil
}

func (r *real) deliver(ctx context.Context, messages []source.Message, stop <-chan struct{}) (failed []string, sum *collect.Summary, err error) {
	o, err := r.options(ctx)
	if err != nil {
		return nil, nil, err
	}
	delivered := source.NewDelivered(messages, source.Deps{S3: r.S3, Jobs: r.Jobs})
	o.Sources, o.Stop = []source.Source{delivered}, stop
	sum, err = r.logged(collect.Run(ctx, o))
	return delivered.Failed(), sum, err
}
