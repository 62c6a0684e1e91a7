package jsonskip

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// calls are what the records of a busy account are about: the service, the
// event's name, and the members that differ most, which %s fills with
// hexadecimal digits.
var calls = []struct{ source, name, parameters, response, resources string }{
	{"s3.amazonaws.com", "GetObject", `{"bucketName":"analytics-%s","Host":"analytics.s3.eu-central-1.amazonaws.com","key":"year=2025/month=03/part-%s.snappy.parquet"}`, `null`,
		`[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::analytics/year=2025/part-%s"},{"accountId":"111122223333","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::analytics"}]`},
	{"kms.amazonaws.com", "Decrypt", `{"encryptionAlgorithm":"SYMMETRIC_DEFAULT","encryptionContext":{"aws:s3:arn":"arn:aws:s3:::analytics/%s"}}`, `null`,
		`[{"accountId":"111122223333","type":"AWS::KMS::Key","ARN":"arn:aws:kms:eu-central-1:111122223333:key/%s"}]`},
	{"ec2.amazonaws.com", "DescribeInstances", `{"instancesSet":{"items":[{"instanceId":"i-%s"},{"instanceId":"i-%s"}]},"filterSet":{}}`, `null`, ``},
	{"sts.amazonaws.com", "AssumeRole", `{"roleArn":"arn:aws:iam::111122223333:role/etl","roleSessionName":"run-%s","durationSeconds":3600}`,
		`{"credentials":{"accessKeyId":"ASIA%s","sessionToken":"%s+/==","expiration":"Mar 3, 2025, 6:00:00 AM"},"assumedRoleUser":{"assumedRoleId":"AROA:run","arn":"arn:aws:sts::111122223333:assumed-role/etl/run"}}`,
		`[{"accountId":"111122223333","type":"AWS::IAM::Role","ARN":"arn:aws:iam::111122223333:role/etl"}]`},
	{"athena.amazonaws.com", "StartQueryExecution", `{"queryString":"SELECT \"day\", count(*)\nFROM events\nWHERE id = '%s'\n  AND path LIKE 'C:\\\\%%'","workGroup":"analytics","queryExecutionContext":{"database":"web"},"resultConfiguration":{}}`,
		`{"queryExecutionId":"%s"}`, ``},
	{"iam.amazonaws.com", "PutRolePolicy", `{"roleName":"etl","policyName":"p-%s","policyDocument":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":[\"s3:GetObject\"],\"Resource\":\"arn:aws:s3:::analytics/*\"}]}"}`, `null`, ``},
	{"lambda.amazonaws.com", "Invoke", `{"functionName":"arn:aws:lambda:eu-central-1:111122223333:function:ingest","invocationType":"Event"}`, `null`,
		`[{"accountId":"111122223333","type":"AWS::Lambda::Function","ARN":"arn:aws:lambda:eu-central-1:111122223333:function:%s"}]`},
	{"logs.amazonaws.com", "CreateLogStream", `{"logGroupName":"/aws/lambda/ingest","logStreamName":"2025/03/03/[$LATEST]%s"}`, `null`, ``},
	{"dynamodb.amazonaws.com", "PutItem", `{"tableName":"orders","key":{"id":"%s"},"items":["id","at"]}`, `null`, ``},
}

// record returns a record of about 1.6 KB as CloudTrail writes it.
func record(r *rand.Rand) string {
	hex := func(n int) string {
		var s strings.Builder
		for range n {
			s.WriteByte("0123456789abcdef"[r.IntN(16)])
		}
		return s.String()
	}
	fill := func(s string) string {
		for strings.Contains(s, "%s") {
			s = strings.Replace(s, "%s", hex(8+r.IntN(40)), 1)
		}
		return strings.ReplaceAll(s, "%%", "%")
	}
	call := calls[r.IntN(len(calls))]
	var s strings.Builder
	s.WriteString(`{"eventVersion":"1.11","userIdentity":`)
	switch r.IntN(4) {
	case 0:
		fmt.Fprintf(&s, `{"type":"AWSService","invokedBy":"%s"}`, call.source)
	case 1:
		fmt.Fprintf(&s, `{"type":"IAMUser","principalId":"AIDA%s","arn":"arn:aws:iam::111122223333:user/reporting","accountId":"111122223333","accessKeyId":"AKIA%s","userName":"reporting"}`, hex(16), hex(16))
	default:
		fmt.Fprintf(&s, `{"type":"AssumedRole","principalId":"AROA%s:i-%s","arn":"arn:aws:sts::111122223333:assumed-role/etl-%s/i-%s","accountId":"111122223333","accessKeyId":"ASIA%s","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA%s","arn":"arn:aws:iam::111122223333:role/etl","accountId":"111122223333","userName":"etl"},"attributes":{"creationDate":"2025-03-03T04:%02d:%02dZ","mfaAuthenticated":"false"},"ec2RoleDelivery":"2.0"}}`,
			hex(16), hex(17), hex(8), hex(17), hex(16), hex(16), r.IntN(60), r.IntN(60))
	}
	fmt.Fprintf(&s, `,"eventTime":"2025-03-03T05:%02d:%02dZ","eventSource":"%s","eventName":"%s","awsRegion":"eu-central-1","sourceIPAddress":"10.0.%d.%d"`,
		r.IntN(60), r.IntN(60), call.source, call.name, r.IntN(256), r.IntN(256))
	s.WriteString(`,"userAgent":"[aws-sdk-java/2.29.1 Linux/5.10.230-223.885.amzn2.x86_64 OpenJDK_64-Bit_Server_VM/17.0.13+11-LTS vendor/Amazon.com_Inc. cfg/retry-mode/standard]"`)
	if r.IntN(6) == 0 {
		s.WriteString(`,"errorCode":"AccessDenied","errorMessage":"User is not authorized to perform: \"kms:Decrypt\" on this resource"`)
	}
	fmt.Fprintf(&s, `,"requestParameters":%s,"responseElements":%s`, fill(call.parameters), fill(call.response))
	if r.IntN(2) == 0 {
		fmt.Fprintf(&s, `,"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":%d,"SSEApplied":"SSE_KMS","AuthenticationMethod":"AuthHeader","x-amz-id-2":"%s=","bytesTransferredOut":%d}`,
			r.IntN(1000), hex(76), r.IntN(1<<20))
	}
	fmt.Fprintf(&s, `,"requestID":"%s","eventID":"%s-%s","readOnly":%t`, hex(16), hex(8), hex(12), r.IntN(2) == 0)
	if call.resources != "" {
		fmt.Fprintf(&s, `,"resources":%s`, fill(call.resources))
	}
	fmt.Fprintf(&s, `,"eventType":"AwsApiCall","managementEvent":%t,"recipientAccountId":"111122223333","sharedEventID":"%s","eventCategory":"Data"`, r.IntN(2) == 0, hex(36))
	if r.IntN(2) == 0 {
		fmt.Fprintf(&s, `,"vpcEndpointId":"vpce-%s","vpcEndpointAccountId":"111122223333"`, hex(17))
	}
	fmt.Fprintf(&s, `,"tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"%s"}}`, call.source)
	return s.String()
}

// records returns at least size bytes of records with commas between them,
// as they lie in a log file's array, and their number.
func records(size int) (text []byte, n int) {
	r := rand.New(rand.NewPCG(1, 2))
	for len(text) < size {
		if n > 0 {
			text = append(text, ',')
		}
		text = append(text, record(r)...)
		n++
	}
	return append(text, ']', '}'), n
}
