package main

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/export"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// settings are what a function's environment says beside the configuration of
// athenatrail: the variables of the tracker, and a few of our own.
type settings struct {
	bucket       string // S3_BUCKET: of the files, and by default of the lake
	outputType   string // OUTPUT_TYPE
	outputPrefix string // OUTPUT_PREFIX: of the files' keys; empty, or ends in a slash
	columns      string // OUTPUT_COLUMNS, see package export

	testStart, testEnd string // TEST_START_DATE, TEST_END_DATE
	stateMachine       string // STATE_MACHINE_ARN

	shardBy     string // SHARD_BY
	concurrency int    // MAX_CONCURRENCY: units collected at once

	zone     *time.Location
	lookback time.Duration
}

// Values of OUTPUT_TYPE and SHARD_BY that the program itself looks at.
const (
	outputNone = "none"
	byHour     = "hour"
	byAccount  = "account"
)

var (
	shardings = []string{byHour, byAccount}

	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixForm = regexp.MustCompile(`^([A-Za-z0-9_=.-]{1,100}/){1,8}$`)
	machineARN = regexp.MustCompile(`^arn:aws[a-z-]*:states:[a-z0-9-]+:[0-9]{12}:stateMachine:[A-Za-z0-9_-]{1,80}$`)
)

// trackerZone is the zone whose days the tracker reported, at 01:00 of which
// it ran.
const trackerZone = "America/New_York"

// missing is the error for a variable that is not set.
func missing(name, what string) error {
	return fmt.Errorf("%s is not set: want %s; set it in the function's environment (Lambda console, Configuration, Environment variables), or as a parameter of deploy/cloudformation.yaml", name, what)
}

// readSettings reads the environment, once it has made the configuration of
// it.
func (p *program) readSettings(ctx context.Context) (settings, error) {
	env, err := p.env(ctx)
	if err != nil {
		return settings{}, err
	}
	s := settings{
		bucket: p.getenv("S3_BUCKET"), outputType: p.getenv("OUTPUT_TYPE"), outputPrefix: p.getenv("OUTPUT_PREFIX"), columns: p.getenv("OUTPUT_COLUMNS"),
		testStart: p.getenv("TEST_START_DATE"), testEnd: p.getenv("TEST_END_DATE"), stateMachine: p.getenv("STATE_MACHINE_ARN"),
		shardBy: p.getenv("SHARD_BY"),
		zone:    env.Timezone, lookback: env.Lookback,
	}
	for _, d := range []struct {
		to   *string
		text string
	}{{&s.outputType, "csv"}, {&s.columns, export.Tracker}, {&s.shardBy, byHour}} {
		if *d.to == "" {
			*d.to = d.text
		}
	}
	if s.bucket == "" && p.getenv("OUTPUT_TYPE") == "" {
		s.outputType = outputNone
	}
	if s.outputType != outputNone {
		if _, err := export.ParseOutput(s.outputType); err != nil {
			return s, fmt.Errorf("OUTPUT_TYPE=%q: want csv, json, jsonl, parquet or %s", clip(s.outputType), outputNone)
		}
	}
	if !slices.Contains(shardings, s.shardBy) {
		return s, fmt.Errorf("SHARD_BY=%q: want %s", clip(s.shardBy), strings.Join(shardings, " or "))
	}
	if s.bucket == "" && s.outputType != outputNone {
		return s, missing("S3_BUCKET", "the bucket of the files that OUTPUT_TYPE asks for")
	}
	if s.outputPrefix != "" && !prefixForm.MatchString(s.outputPrefix) {
		return s, fmt.Errorf("OUTPUT_PREFIX=%q: want the beginning of keys, such as daily-report/", clip(s.outputPrefix))
	}
	if s.stateMachine != "" && !machineARN.MatchString(s.stateMachine) {
		return s, fmt.Errorf("STATE_MACHINE_ARN=%q: want the ARN of a state machine", clip(s.stateMachine))
	}
	s.concurrency = 24
	if text := p.getenv("MAX_CONCURRENCY"); text != "" {
		if s.concurrency, err = strconv.Atoi(text); err != nil || s.concurrency < 1 || s.concurrency > 1000 {
			return s, fmt.Errorf("MAX_CONCURRENCY=%q: want a whole number from 1 to 1000", clip(text))
		}
	}
	return s, nil
}

// env makes the configuration: athenatrail's own, where the tracker's
// variables stand in for what it does not say.
func (p *program) env(ctx context.Context) (*setup.Env, error) {
	userAgent := "athenatrail/" + version
	c, err := config.Load(ctx, config.Options{Environ: p.environ(), UserAgent: userAgent})
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		slog.Warn("configuration", "warning", w)
	}
	bucket := p.getenv("S3_BUCKET")
	if bucket != "" && !bucketForm.MatchString(bucket) {
		return nil, fmt.Errorf("S3_BUCKET=%q: want the name of a bucket, without s3://", clip(bucket))
	}
	if c.Origin("lake") == "default" {
		if bucket == "" {
			return nil, missing("S3_BUCKET", "the bucket of the lake and its files (or set ATHENATRAIL_LAKE)")
		}
		c.Lake = "s3://" + bucket + "/athenatrail"
	}
	if !setup.IsS3(c.Lake) && p.getenv("AWS_LAMBDA_FUNCTION_NAME") != "" {
		return nil, fmt.Errorf("the lake %s: a function has no disk that stays: want s3://bucket/prefix as ATHENATRAIL_LAKE, or S3_BUCKET", clip(c.Lake))
	}
	if len(c.Sources) == 0 {
		c.Sources = []string{lookupEvents} // as the tracker did
	}
	if c.Origin("timezone") == "default" {
		if c.Timezone, err = time.LoadLocation(trackerZone); err != nil {
			return nil, fmt.Errorf("load the time zone %s: %w", trackerZone, err)
		}
	}
	return setup.New(c, userAgent), nil
}

// lookupEvents is the source that needs no trail.
const lookupEvents = "lookup-events"
