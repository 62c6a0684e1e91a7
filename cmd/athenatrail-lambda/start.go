package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// A starter starts executions of a state machine.
type starter interface {
	StartExecution(ctx context.Context, in *sfn.StartExecutionInput, options ...func(*sfn.Options)) (*sfn.StartExecutionOutput, error)
}

// started is the answer of start, with the words that the tracker's Lambda
// answered.
type started struct {
	Status    string          `json:"status"`
	Execution string          `json:"execution"`
	Input     json.RawMessage `json:"input"`
}

// start takes what the tracker's Lambda took, its environment included, and
// starts the state machine with it: TEST_START_DATE and TEST_END_DATE are days
// to do, the last included, where the input names none. An event of a scheduler
// is for yesterday whatever they are.
func start(ctx context.Context, p *program, _ *slog.Logger, input json.RawMessage) (any, error) {
	s, err := p.readSettings(ctx)
	if err != nil {
		return nil, err
	}
	if s.stateMachine == "" {
		return nil, missing("STATE_MACHINE_ARN", "the ARN of the state machine that deploy/cloudformation.yaml makes, its output StateMachineArn")
	}
	f, scheduled, err := parseForm(input)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", clip(string(input)), err)
	}
	request := map[string]any{}
	byScheduler := scheduled && len(input) > 2 && string(input) != "null"
	switch {
	case !scheduled && f.Hour != nil && f.Report == nil && s.testStart != "":
		// The tracker took the day of an hour from its environment.
		request["report_date"], request["hour"] = s.testStart, *f.Hour
	case !scheduled:
		if err := json.Unmarshal(input, &request); err != nil {
			return nil, fmt.Errorf("input %s: %w", clip(string(input)), err)
		}
	case !byScheduler && (s.testStart != "" || s.testEnd != ""):
		if s.testStart == "" {
			return nil, missing("TEST_START_DATE", "the first day, since TEST_END_DATE is set; or unset both")
		}
		request["start_date"], request["end_date"] = s.testStart, s.testEnd
		if s.testEnd == "" {
			request["end_date"] = s.testStart
		}
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	// What the state machine would refuse is refused here, where whoever
	// invoked the function sees it.
	if _, err := parseRequest(text, p.now(), s.zone); err != nil {
		return nil, err
	}
	client, err := p.starter(ctx)
	if err != nil {
		return nil, err
	}
	out, err := client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &s.stateMachine, Input: aws.String(string(text))})
	if err != nil {
		return nil, fmt.Errorf("start the state machine %s: %w", s.stateMachine, awsconn.Explained(err))
	}
	return &started{Status: "triggered", Execution: aws.ToString(out.ExecutionArn), Input: text}, nil
}

func (p *program) starter(ctx context.Context) (starter, error) {
	if p.starts != nil {
		return p.starts, nil
	}
	env, err := p.env(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := env.AWS(ctx)
	if err != nil {
		return nil, err
	}
	cfg, err := conn.Config(ctx, "", "")
	if err != nil {
		return nil, err
	}
	p.starts = sfn.NewFromConfig(cfg)
	return p.starts, nil
}
