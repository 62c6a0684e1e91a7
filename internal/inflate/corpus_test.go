package inflate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand"
	"sync"
	"time"
)

// trailGen writes CloudTrail-like records. The mix of repeated keys and
// random identifiers is what sets the lengths of matches and of literal runs,
// hence the speed of a decoder; plain repeated text would flatter it.
type trailGen struct {
	rng   *rand.Rand
	roles []trailRole
	now   time.Time
}

// trailRole is one caller: real trails hold few callers with many calls each.
type trailRole struct {
	account, roleID, roleName, session, accessKey, ip, agent, created string
	service                                                           bool
}

var trailCalls = []struct{ source, name, params, response, resource string }{
	{"s3.amazonaws.com", "GetObject", `{"bucketName":"%[1]s-data-lake","Host":"%[1]s-data-lake.s3.eu-west-1.amazonaws.com","key":"raw/year=2024/month=03/part-%[2]s.snappy.parquet"}`, `null`, `[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::%[1]s-data-lake/raw/year=2024/month=03/part-%[2]s.snappy.parquet"},{"accountId":"%[3]s","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::%[1]s-data-lake"}]`},
	{"s3.amazonaws.com", "PutObject", `{"bucketName":"%[1]s-logs","Host":"%[1]s-logs.s3.eu-west-1.amazonaws.com","key":"app/%[2]s.log.gz","x-amz-server-side-encryption":"aws:kms"}`, `{"x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-aws-kms-key-id":"arn:aws:kms:eu-west-1:%[3]s:key/%[2]s"}`, `[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::%[1]s-logs/app/%[2]s.log.gz"},{"accountId":"%[3]s","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::%[1]s-logs"}]`},
	{"sts.amazonaws.com", "AssumeRole", `{"roleArn":"arn:aws:iam::%[3]s:role/%[1]s-runtime","roleSessionName":"%[2]s","durationSeconds":3600}`, `{"credentials":{"accessKeyId":"ASIA%[4]s","sessionToken":"%[5]s","expiration":"Mar 14, 2024, 9:12:05 AM"},"assumedRoleUser":{"assumedRoleId":"AROA%[4]s:%[2]s","arn":"arn:aws:sts::%[3]s:assumed-role/%[1]s-runtime/%[2]s"}}`, `[{"accountId":"%[3]s","type":"AWS::IAM::Role","ARN":"arn:aws:iam::%[3]s:role/%[1]s-runtime"}]`},
	{"kms.amazonaws.com", "Decrypt", `{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::%[1]s-data-lake"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, `null`, `[{"accountId":"%[3]s","type":"AWS::KMS::Key","ARN":"arn:aws:kms:eu-west-1:%[3]s:key/%[2]s"}]`},
	{"ec2.amazonaws.com", "DescribeInstances", `{"instancesSet":{"items":[{"instanceId":"i-0%[6]s"}]},"filterSet":{}}`, `null`, ``},
	{"ec2.amazonaws.com", "DescribeVolumes", `{"volumeSet":{"items":[{"volumeId":"vol-0%[6]s"}]},"filterSet":{}}`, `null`, ``},
	{"dynamodb.amazonaws.com", "DescribeTable", `{"tableName":"%[1]s-sessions"}`, `null`, `[{"accountId":"%[3]s","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:eu-west-1:%[3]s:table/%[1]s-sessions"}]`},
	{"logs.amazonaws.com", "CreateLogStream", `{"logGroupName":"/aws/lambda/%[1]s-ingest","logStreamName":"2024/03/14/[$LATEST]%[2]s"}`, `null`, ``},
	{"secretsmanager.amazonaws.com", "GetSecretValue", `{"secretId":"arn:aws:secretsmanager:eu-west-1:%[3]s:secret:%[1]s/db"}`, `null`, ``},
	{"cloudwatch.amazonaws.com", "PutMetricAlarm", `{"alarmName":"%[1]s-cpu-%[6]s","metricName":"CPUUtilization","namespace":"AWS/EC2","threshold":80.0,"evaluationPeriods":2}`, `null`, ``},
}

var trailTeams = []string{"billing", "checkout", "search", "ingest", "fraud", "reporting", "media"}

func (g *trailGen) from(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[g.rng.Intn(len(alphabet))]
	}
	return string(b)
}

func (g *trailGen) hex(n int) string   { return g.from("0123456789abcdef", n) }
func (g *trailGen) upper(n int) string { return g.from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", n) }
func (g *trailGen) uuid() string {
	return g.hex(8) + "-" + g.hex(4) + "-4" + g.hex(3) + "-" + g.hex(4) + "-" + g.hex(12)
}

func newTrailGen(seed int64) *trailGen {
	g := &trailGen{rng: rand.New(rand.NewSource(seed)), now: time.Date(2024, 3, 14, 8, 0, 0, 0, time.UTC)}
	agents := []string{
		"aws-sdk-go/1.44.298 (go1.20.5; linux; amd64)",
		"Boto3/1.28.57 md/Botocore#1.31.57 ua/2.0 os/linux#5.10.186-179.751.amzn2.x86_64 md/arch#x86_64 lang/python#3.11.4 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.31.57",
		"aws-sdk-java/2.20.68 Linux/5.10.184-175.731.amzn2.x86_64 OpenJDK_64-Bit_Server_VM/17.0.7+7-LTS Java/17.0.7 vendor/Amazon.com_Inc. exec-env/AWS_ECS_FARGATE io/sync http/Apache cfg/retry-mode/legacy",
		"[aws-cli/2.13.5 Python/3.11.4 Linux/5.15.0-1040-aws exe/x86_64.ubuntu.22 prompt/off command/ec2.describe-instances]",
	}
	accounts := []string{"111122223333", "444455556666", "123456789012"}
	for range 40 {
		team := trailTeams[g.rng.Intn(len(trailTeams))]
		g.roles = append(g.roles, trailRole{
			account:   accounts[g.rng.Intn(len(accounts))],
			roleID:    "AROA" + g.upper(17),
			roleName:  team + "-" + []string{"runtime", "deploy", "ci", "readonly"}[g.rng.Intn(4)],
			session:   "i-0" + g.hex(16),
			accessKey: "ASIA" + g.upper(16),
			ip:        fmt.Sprintf("10.%d.%d.%d", g.rng.Intn(256), g.rng.Intn(256), g.rng.Intn(256)),
			agent:     agents[g.rng.Intn(len(agents))],
			created:   g.now.Add(-time.Duration(g.rng.Intn(3600)) * time.Second).Format(time.RFC3339),
			service:   g.rng.Intn(8) == 0,
		})
	}
	return g
}

func (g *trailGen) record(w *bytes.Buffer) {
	r := g.roles[g.rng.Intn(len(g.roles))]
	c := trailCalls[g.rng.Intn(len(trailCalls))]
	g.now = g.now.Add(time.Duration(g.rng.Intn(700)) * time.Millisecond)
	team := trailTeams[g.rng.Intn(len(trailTeams))]
	id, short, key := g.uuid(), g.hex(16), g.upper(16)
	token := ""
	if c.name == "AssumeRole" {
		token = "IQoJb3JpZ2luX2VjE" + g.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 360)
	}
	fill := func(s string) string {
		if s == "null" || s == "" {
			return s
		}
		// Indexed verbs: every template uses only some of the values.
		return fmt.Sprintf(s+"%[7]s", team, id, r.account, key, token, short, "")
	}
	w.WriteString(`{"eventVersion":"1.09","userIdentity":`)
	if r.service {
		fmt.Fprintf(w, `{"type":"AWSService","invokedBy":"%s"}`, c.source)
	} else {
		fmt.Fprintf(w, `{"type":"AssumedRole","principalId":"%[1]s:%[2]s","arn":"arn:aws:sts::%[3]s:assumed-role/%[4]s/%[2]s","accountId":"%[3]s","accessKeyId":"%[5]s","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"%[1]s","arn":"arn:aws:iam::%[3]s:role/%[4]s","accountId":"%[3]s","userName":"%[4]s"},"attributes":{"creationDate":"%[6]s","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"}}`,
			r.roleID, r.session, r.account, r.roleName, r.accessKey, r.created)
	}
	fmt.Fprintf(w, `,"eventTime":"%s","eventSource":"%s","eventName":"%s","awsRegion":"eu-west-1","sourceIPAddress":"%s","userAgent":"%s",`,
		g.now.Format(time.RFC3339), c.source, c.name, r.ip, r.agent)
	if g.rng.Intn(20) == 0 {
		fmt.Fprintf(w, `"errorCode":"AccessDenied","errorMessage":"User: arn:aws:sts::%s:assumed-role/%s/%s is not authorized to perform: %s",`, r.account, r.roleName, r.session, c.name)
	}
	fmt.Fprintf(w, `"requestParameters":%s,"responseElements":%s,`, fill(c.params), fill(c.response))
	if c.source == "s3.amazonaws.com" {
		fmt.Fprintf(w, `"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"ECDHE-RSA-AES128-GCM-SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"%s=","bytesTransferredOut":%d},`,
			g.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 75), g.rng.Intn(1<<20))
	}
	fmt.Fprintf(w, `"requestID":"%s","eventID":"%s","readOnly":%t,`, g.upper(16), g.uuid(), c.response == "null")
	if c.resource != "" {
		fmt.Fprintf(w, `"resources":%s,`, fill(c.resource))
	}
	fmt.Fprintf(w, `"eventType":"AwsApiCall","managementEvent":%t,"recipientAccountId":"%s",`, c.source != "s3.amazonaws.com", r.account)
	if g.rng.Intn(2) == 0 {
		fmt.Fprintf(w, `"sharedEventID":"%s",`, g.uuid())
	}
	fmt.Fprintf(w, `"eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"%s"}}`,
		c.source[:len(c.source)-len("amazonaws.com")]+"eu-west-1.amazonaws.com")
}

// trailJSON returns one log file of at least size bytes, the same on each run.
func trailJSON(seed int64, size int) []byte {
	g := newTrailGen(seed)
	var w bytes.Buffer
	w.WriteString(`{"Records":[`)
	for i := 0; w.Len() < size; i++ {
		if i > 0 {
			w.WriteByte(',')
		}
		g.record(&w)
	}
	w.WriteString(`]}`)
	return w.Bytes()
}

func gzipped(level int, parts ...[]byte) []byte {
	var w bytes.Buffer
	for _, p := range parts {
		z, err := gzip.NewWriterLevel(&w, level)
		if err != nil {
			panic(err)
		}
		z.Write(p)
		z.Close()
	}
	return w.Bytes()
}

// benchFile is a log file as it lies in the bucket: 16 MB inflated.
var benchFile = sync.OnceValues(func() (plain, packed []byte) {
	plain = trailJSON(1, 16<<20)
	return plain, gzipped(6, plain)
})
