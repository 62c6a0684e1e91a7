package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/awsconn"
	"github.com/athenatrail/athenatrail/internal/collect"
	"github.com/athenatrail/athenatrail/internal/demo"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/lookup/lookuptest"
	"github.com/athenatrail/athenatrail/internal/mototest"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/s3test"
	"github.com/athenatrail/athenatrail/internal/source"
)

// TestWaysIn collects one month from a folder, from a bucket, by a queue that
// is told of the bucket's log files, by standard input, and by LookupEvents
// told to ask for the events of STS and Lake Formation too: the tables are the
// same, byte for byte.
func TestWaysIn(t *testing.T) {
	var days []string
	for d := 1; d <= 31; d++ {
		days = append(days, time.Date(2026, 10, d, 0, 0, 0, 0, time.UTC).Format("02"))
	}
	s := newStory(t, 500, days...)
	want := s.collected(t, func(o *collect.Options) { o.Sources = []source.Source{parsed(t, s.trail, source.Deps{})} })
	if len(want) < 60 {
		t.Fatalf("the folder gives %d files", len(want))
	}
	same := func(t *testing.T, change func(*collect.Options)) {
		t.Helper()
		if diff := cmp.Diff(want, s.collected(t, change)); diff != "" {
			t.Errorf("tables (-of the folder +got):\n%.4000s", diff)
		}
	}
	t.Run("stdin", func(t *testing.T) {
		var all bytes.Buffer
		for _, file := range s.files(t) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(data)
		}
		same(t, func(o *collect.Options) {
			o.Sources = []source.Source{parsed(t, "-", source.Deps{Stdin: &all})}
		})
	})
	t.Run("bucket", func(t *testing.T) {
		server := s3test.Start(t)
		bucket := s.upload(t, server)
		same(t, func(o *collect.Options) {
			o.Sources = []source.Source{parsed(t, "s3://"+bucket, source.Deps{S3: clientOf(server)})}
		})
	})
	t.Run("queue", func(t *testing.T) {
		endpoint := mototest.Start(t)
		server := s3test.Start(t)
		bucket := s.upload(t, server)
		client := sqs.NewFromConfig(mototest.Config(endpoint, demo.US))
		made, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("trail")})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, file := range s.files(t) {
			key, err := filepath.Rel(s.trail, file)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, filepath.ToSlash(key))
		}
		for some := range slices.Chunk(keys, 20) {
			body, _ := json.Marshal(map[string]any{"s3Bucket": bucket, "s3ObjectKey": some})
			for range 2 { // each twice
				if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: made.QueueUrl, MessageBody: aws.String(string(body))}); err != nil {
					t.Fatal(err)
				}
			}
		}
		queue := parsed(t, "sqs:"+*made.QueueUrl, source.Deps{
			S3:  clientOf(server),
			SQS: func(context.Context) (*sqs.Client, error) { return client, nil },
		})
		same(t, func(o *collect.Options) { o.Sources = []source.Source{queue} })
	})
	t.Run("lookup-events", func(t *testing.T) {
		events := s.events(t)
		names := map[string]bool{}
		for _, e := range events {
			names[e.Name] = true
		}
		server, err := lookuptest.Start(lookuptest.Config{
			Now:    func() time.Time { return s.company.Now },
			Rate:   lookuptest.Rate{PerSecond: 10_000, Burst: 10_000},
			Caller: func(key string) (lookuptest.Caller, bool) { return lookuptest.Caller{Account: key[len(key)-12:]}, true },
		}, events...)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		var places []lookup.Place
		for _, account := range []string{demo.Analytics, demo.Finance} {
			for _, region := range []string{demo.US, demo.EU} {
				places = append(places, lookup.Place{Account: account, Region: region})
			}
		}
		same(t, func(o *collect.Options) {
			feed, err := lookup.New(lookup.Options{
				Places: places,
				Config: func(_ context.Context, account, region string) (aws.Config, error) {
					return aws.Config{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("ASIAEXAM"+account, "secret", "")}, nil
				},
				Ledger: o.Ledger, Events: slices.Sorted(maps.Keys(names)), Rate: 5000,
				Now: func() time.Time { return s.company.Now },
			})
			if err != nil {
				t.Fatal(err)
			}
			o.Feeds = []source.Feed{feed}
		})
	})
}

// collected returns the files of executions, sessions and calculations of a
// new lake into which the story was collected.
func (s *story) collected(t *testing.T, change func(*collect.Options)) map[string]string {
	t.Helper()
	store := diskLake(t, t.TempDir())
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	people, err := identity.NewSettings(identity.SettingsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := awsconn.New(t.Context(), awsconn.Options{AssumeRole: demo.DetailsRole, Load: []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(demo.US),
		awsconfig.WithBaseEndpoint(s.api.URL),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(demo.AccessKeyID, demo.SecretAccessKey, "")),
	}})
	if err != nil {
		t.Fatal(err)
	}
	o := collect.Options{
		Lake: l, Ledger: ledger.New(l), Limits: cloudtrail.DefaultLimits,
		Settings: &derive.Settings{Identity: people, Prices: prices},
		Details:  pinnedDetails{conn, fastPacers()},
		Jobs:     2, Now: s.company.Now,
	}
	change(&o)
	for n, more := 0, true; more; n++ {
		o.RunID = "run-" + string(rune('a'+n))
		sum, err := collect.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Incomplete() {
			t.Fatalf("incomplete: %q", sum.Problems)
		}
		more = sum.More
	}
	files := map[string]string{}
	for name, hash := range contents(t, store) {
		for _, table := range []string{"query_executions", "sessions", "calculations"} {
			if strings.HasPrefix(name, "tables/"+table+"_") {
				files[name] = hash
			}
		}
	}
	return files
}

// files are the log files of the story's trail, in order.
func (s *story) files(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir(s.trail, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// upload puts the trail into a new bucket.
func (s *story) upload(t *testing.T, server *s3test.Server) (bucket string) {
	t.Helper()
	bucket = server.Bucket(t)
	for _, file := range s.files(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		key, err := filepath.Rel(s.trail, file)
		if err != nil {
			t.Fatal(err)
		}
		server.Put(t, bucket, filepath.ToSlash(key), data)
	}
	return bucket
}

// events are the events of Athena, STS and Lake Formation in the trail, each
// once.
func (s *story) events(t *testing.T) (events []lookuptest.Event) {
	t.Helper()
	seen := map[string]bool{}
	for _, file := range s.files(t) {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		unzipped, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(unzipped)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		var log struct{ Records []json.RawMessage }
		if err := json.Unmarshal(data, &log); err != nil {
			t.Fatal(err)
		}
		for _, record := range log.Records {
			e, err := lookuptest.ParseEvent(record)
			if err != nil {
				t.Fatal(err)
			}
			ours := slices.Contains([]string{"athena.amazonaws.com", "sts.amazonaws.com", "lakeformation.amazonaws.com"}, e.Source)
			if ours && !seen[e.ID+e.Account] {
				seen[e.ID+e.Account] = true
				events = append(events, e)
			}
		}
	}
	return events
}

func parsed(t *testing.T, spec string, d source.Deps) source.Source {
	t.Helper()
	src, err := source.Parse(t.Context(), spec, d)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func clientOf(server *s3test.Server) func(context.Context) (*s3.Client, error) {
	return func(context.Context) (*s3.Client, error) { return server.Client(), nil }
}
