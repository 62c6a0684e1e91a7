package source

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// queueForms is for errors.
const queueForms = "sqs:https://sqs.REGION.amazonaws.com/ACCOUNT/NAME or sqs:arn:aws:sqs:REGION:ACCOUNT:NAME"

// A queueName is a queue and how to reach it.
type queueName struct {
	url      string
	region   string // empty: that of the client
	endpoint string // empty: that of the client, in the region
}

var (
	queuePath = regexp.MustCompile(`^/[0-9]{12}/[A-Za-z0-9_-]{1,80}(\.fifo)?$`)
	queueARN  = regexp.MustCompile(`^arn:(aws[a-z-]*):sqs:([a-z]{2}[a-z0-9-]{1,30}):([0-9]{12}):([A-Za-z0-9_-]{1,80}(?:\.fifo)?)$`)

	// The region's own host, which the SDK finds too; and the others by which
	// AWS answers: FIPS, dual stack, interface endpoints of a VPC, and that
	// of old queue URLs (General Reference, "Amazon SQS endpoints").
	queueHost   = regexp.MustCompile(`^sqs\.([a-z]{2}[a-z0-9-]{1,30})\.amazonaws\.com(?:\.cn)?$`)
	queueHosts  = regexp.MustCompile(`^(?:sqs-fips\.|sqs\.|vpce-[a-z0-9-]+\.sqs\.)([a-z]{2}[a-z0-9-]{1,30})\.(?:vpce\.amazonaws\.com|amazonaws\.com|api\.aws|api\.amazonwebservices\.com)(?:\.cn)?$`)
	oldHosts    = regexp.MustCompile(`^(?:([a-z]{2}[a-z0-9-]{1,30})\.)?queue\.amazonaws\.com(?:\.cn)?$`)
	amazonsHost = regexp.MustCompile(`\.(amazonaws\.com|api\.aws|amazonwebservices\.com)(\.cn)?$`)
)

// parseQueueName reads what follows sqs: in a source.
func parseQueueName(name string) (queueName, error) {
	if strings.HasPrefix(name, "arn:") {
		m := queueARN.FindStringSubmatch(name)
		if m == nil {
			return queueName{}, fmt.Errorf("not the ARN of a queue: want %s", queueForms)
		}
		host := "sqs." + m[2] + ".amazonaws.com"
		if m[1] == "aws-cn" {
			host += ".cn"
		}
		return queueName{url: "https://" + host + "/" + m[3] + "/" + m[4], region: m[2]}, nil
	}
	u, err := url.Parse(name)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return queueName{}, fmt.Errorf("want %s", queueForms)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || !queuePath.MatchString(u.EscapedPath()) {
		return queueName{}, fmt.Errorf("the URL's path is not /ACCOUNT/NAME: want %s", queueForms)
	}
	q := queueName{url: name, endpoint: u.Scheme + "://" + u.Host}
	host := strings.TrimSuffix(strings.ToLower(u.Host), ":443")
	switch {
	case queueHost.MatchString(host):
		q.region, q.endpoint = queueHost.FindStringSubmatch(host)[1], ""
	case queueHosts.MatchString(host):
		q.region = queueHosts.FindStringSubmatch(host)[1]
	case oldHosts.MatchString(host):
		if q.region = oldHosts.FindStringSubmatch(host)[1]; q.region == "" {
			q.region = "us-east-1"
		}
	case amazonsHost.MatchString(u.Hostname()):
		return queueName{}, fmt.Errorf("host %s is none of SQS: want %s", u.Hostname(), queueForms)
	default:
		return q, nil // a server of one's own
	}
	if u.Scheme != "https" {
		return queueName{}, fmt.Errorf("AWS is asked over https alone: want %s", queueForms)
	}
	return q, nil
}

// parseQueue returns the queue that spec names. Messages are held as long as
// ctx lives.
func parseQueue(ctx context.Context, spec, rest string, d Deps) (Source, error) {
	name, err := parseQueueName(rest)
	if err != nil {
		return nil, fmt.Errorf("source %q: %w", spec, err)
	}
	if d.SQS == nil {
		return nil, fmt.Errorf("source %q: no SQS client", spec)
	}
	if d.S3 == nil {
		return nil, fmt.Errorf("source %q: no S3 client", spec)
	}
	return newQueue(ctx, spec, name, d), nil
}
