package source

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

func TestQueueNames(t *testing.T) {
	const aws = "https://sqs.eu-west-1.amazonaws.com/111122223333/trail-files"
	for name, want := range map[string]queueName{
		aws: {url: aws, region: "eu-west-1"},
		"https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q": {
			url: "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q", region: "cn-north-1"},
		"https://SQS.eu-west-1.amazonaws.com:443/111122223333/q": {
			url: "https://SQS.eu-west-1.amazonaws.com:443/111122223333/q", region: "eu-west-1"},
		"https://sqs-fips.us-gov-west-1.amazonaws.com/111122223333/q": {
			url:    "https://sqs-fips.us-gov-west-1.amazonaws.com/111122223333/q",
			region: "us-gov-west-1", endpoint: "https://sqs-fips.us-gov-west-1.amazonaws.com"},
		"https://sqs.eu-west-1.api.aws/111122223333/q": {
			url: "https://sqs.eu-west-1.api.aws/111122223333/q", region: "eu-west-1", endpoint: "https://sqs.eu-west-1.api.aws"},
		"https://vpce-0a1b-xyz.sqs.eu-west-1.vpce.amazonaws.com/111122223333/q": {
			url:    "https://vpce-0a1b-xyz.sqs.eu-west-1.vpce.amazonaws.com/111122223333/q",
			region: "eu-west-1", endpoint: "https://vpce-0a1b-xyz.sqs.eu-west-1.vpce.amazonaws.com"},
		"https://eu-west-1.queue.amazonaws.com/111122223333/q": {
			url: "https://eu-west-1.queue.amazonaws.com/111122223333/q", region: "eu-west-1", endpoint: "https://eu-west-1.queue.amazonaws.com"},
		"https://queue.amazonaws.com/111122223333/q": {
			url: "https://queue.amazonaws.com/111122223333/q", region: "us-east-1", endpoint: "https://queue.amazonaws.com"},
		"http://127.0.0.1:5000/123456789012/q.fifo": {
			url: "http://127.0.0.1:5000/123456789012/q.fifo", endpoint: "http://127.0.0.1:5000"},
		"arn:aws:sqs:eu-west-1:111122223333:trail-files": {url: aws, region: "eu-west-1"},
		"arn:aws-cn:sqs:cn-north-1:111122223333:q": {
			url: "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q", region: "cn-north-1"},
		"arn:aws-us-gov:sqs:us-gov-west-1:111122223333:q": {
			url: "https://sqs.us-gov-west-1.amazonaws.com/111122223333/q", region: "us-gov-west-1"},
	} {
		if got, err := parseQueueName(name); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
}

func TestQueueNameMistakes(t *testing.T) {
	deps := Deps{
		S3:  func(context.Context) (*s3.Client, error) { return nil, nil },
		SQS: func(context.Context) (*sqs.Client, error) { return nil, nil },
	}
	for name, want := range map[string]string{
		"":                        "want sqs:https://",
		"trail-files":             "want sqs:https://",
		"ftp://h/111122223333/q":  "want sqs:https://",
		"https:///111122223333/q": "want sqs:https://",
		"https://h/%zz":           "want sqs:https://",
		"https://sqs.eu-west-1.amazonaws.com/trail-files":              "path is not /ACCOUNT/NAME",
		"https://sqs.eu-west-1.amazonaws.com/111122223333/a/b":         "path is not /ACCOUNT/NAME",
		"https://sqs.eu-west-1.amazonaws.com/111122223333/q?x=1":       "path is not /ACCOUNT/NAME",
		"https://u:p@sqs.eu-west-1.amazonaws.com/111122223333/q":       "path is not /ACCOUNT/NAME",
		"https://sqs.eu-west-1.amazonaws.com/111122223333/q%2fb":       "path is not /ACCOUNT/NAME",
		"https://s3.eu-west-1.amazonaws.com/111122223333/q":            "none of SQS",
		"https://sqs.eu-west-1.amazonaws.com:8443/111122223333/q":      "none of SQS",
		"http://sqs.eu-west-1.amazonaws.com/111122223333/q":            "https alone",
		"https://eu-west-1.console.aws.amazon.com/sqs/v3/home#/queues": "path is not /ACCOUNT/NAME",
		"arn:aws:sns:eu-west-1:111122223333:q":                         "not the ARN of a queue",
		"arn:aws:sqs:eu-west-1:111122223333:":                          "not the ARN of a queue",
		"arn:aws:sqs:eu-west-1:1:q":                                    "not the ARN of a queue",
		"arn:aws:sqs:../..:111122223333:q":                             "not the ARN of a queue",
	} {
		_, err := Parse(t.Context(), "sqs:"+name, deps)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `source "sqs:`) {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
	if _, err := Parse(t.Context(), "sqs:arn:aws:sqs:eu-west-1:111122223333:q", Deps{}); err == nil || !strings.Contains(err.Error(), "no SQS client") {
		t.Errorf("without a client: %v", err)
	}
}
