package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// maxFile is the most that is read of a configuration, in bytes.
const maxFile = 1 << 20

// readFile returns the text of the file that name tells: a path,
// s3://bucket/key or ssm:/parameter. It reports false for a path that does not
// exist and that nobody asked for.
func readFile(ctx context.Context, name string, explicit bool, o Options, env map[string]string) ([]byte, bool, error) {
	bucketKey, isS3 := strings.CutPrefix(name, "s3://")
	parameter, isSSM := strings.CutPrefix(name, "ssm:")
	var (
		data []byte
		err  error
	)
	switch {
	case isS3:
		data, err = readS3(ctx, bucketKey, o, env)
	case isSSM:
		data, err = readSSM(ctx, parameter, o, env)
	default:
		data, err = readDisk(name)
		if errors.Is(err, fs.ErrNotExist) && !explicit {
			return nil, false, nil
		}
	}
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read configuration %s: %w", name, err)
	}
	return data, true, nil
}

func readDisk(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, reason(err)
	}
	return data, nil
}

// reason drops the operation and path of err, which the caller names.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// connect makes a connection of the flags and the environment alone: the file
// that would say more is yet to be read.
func connect(ctx context.Context, o Options, env map[string]string) (aws.Config, error) {
	opts := awsconn.Options{
		Profile:   env[envName("profile")],
		Regions:   splitList(env[envName("regions")]),
		UserAgent: o.UserAgent,
	}
	for _, f := range o.Flags {
		switch {
		case len(f.Values) == 0:
		case f.Key == "profile":
			opts.Profile = f.Values[len(f.Values)-1]
		case f.Key == "regions":
			opts.Regions = f.Values
		}
	}
	conn, err := awsconn.New(ctx, opts)
	if err != nil {
		return aws.Config{}, err
	}
	return conn.Config(ctx, "", "")
}

func readS3(ctx context.Context, bucketKey string, o Options, env map[string]string) ([]byte, error) {
	bucket, key, _ := strings.Cut(bucketKey, "/")
	if bucket == "" || key == "" {
		return nil, errors.New("want s3://bucket/key")
	}
	cfg, err := connect(ctx, o, env)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	defer out.Body.Close()
	return io.ReadAll(io.LimitReader(out.Body, maxFile+1))
}

func readSSM(ctx context.Context, parameter string, o Options, env map[string]string) ([]byte, error) {
	if !strings.HasPrefix(parameter, "/") || len(parameter) < 2 {
		return nil, errors.New("want ssm:/name")
	}
	cfg, err := connect(ctx, o, env)
	if err != nil {
		return nil, err
	}
	out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{
		Name: &parameter, WithDecryption: aws.Bool(true),
	})
	if err != nil {
		return nil, awsconn.Explained(err)
	}
	if out.Parameter == nil {
		return nil, errors.New("the parameter has no value")
	}
	return []byte(aws.ToString(out.Parameter.Value)), nil
}
