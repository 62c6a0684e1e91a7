package demo

import (
	"fmt"
	"strings"
	"time"
)

// A noiseMaker makes the records that have nothing to do with Athena: nearly
// all of a real trail. It is not safe for use by several goroutines.
type noiseMaker struct {
	r       random
	account string
	callers []*caller
	roles   []*caller // that AWS services take
	fill    []byte    // what random text is cut from
}

// A noise is one operation of another service and how often it comes.
type noise struct {
	weight   int
	source   string
	name     string
	readOnly bool
	params   func(n *noiseMaker, region string) string
	response func(n *noiseMaker, region string) string
	more     func(n *noiseMaker) string
}

var noises = []noise{
	{9, "ec2.amazonaws.com", "DescribeInstances", true, instances, nil, nil},
	{8, "ec2.amazonaws.com", "DescribeNetworkInterfaces", true, filters, nil, nil},
	{4, "ec2.amazonaws.com", "DescribeRouteTables", true, filters, nil, nil},
	{10, "kms.amazonaws.com", "Decrypt", true, keyContext, nil, nil},
	{4, "kms.amazonaws.com", "GenerateDataKey", true, keyContext, nil, nil},
	{8, "ssm.amazonaws.com", "GetParameter", true, parameter, nil, nil},
	{6, "secretsmanager.amazonaws.com", "GetSecretValue", true, secretID, nil, nil},
	{9, "s3.amazonaws.com", "GetBucketAcl", true, bucket, nil, s3More},
	{5, "s3.amazonaws.com", "GetBucketLocation", true, bucket, nil, s3More},
	{8, "glue.amazonaws.com", "GetTable", true, glueTable, nil, nil},
	{6, "glue.amazonaws.com", "BatchGetPartition", true, partitions, nil, nil},
	{3, "glue.amazonaws.com", "BatchCreatePartition", false, partitions, nil, nil},
	{4, "logs.amazonaws.com", "CreateLogStream", false, logStream, nil, nil},
	{3, "logs.amazonaws.com", "DescribeLogGroups", true, filters, nil, nil},
	{3, "iam.amazonaws.com", "GetRole", true, roleName, nil, nil},
	{3, "lambda.amazonaws.com", "GetFunction20150331v2", true, function, nil, nil},
	{2, "cloudformation.amazonaws.com", "DescribeStacks", true, stack, nil, nil},
	{2, "cloudformation.amazonaws.com", "CreateChangeSet", false, stack, stackID, nil},
	{3, "ecs.amazonaws.com", "RunTask", false, task, taskAnswer, nil},
	{3, "dynamodb.amazonaws.com", "DescribeTable", true, glueTable, nil, nil},
	{2, "monitoring.amazonaws.com", "DescribeAlarms", true, filters, nil, nil},
	{1, "signin.amazonaws.com", "ConsoleLogin", false, nil, loginAnswer, loginMore},
}

var noiseWeights = func() (sum int) {
	for _, n := range noises {
		sum += n.weight
	}
	return sum
}()

var noiseAgents = []string{agentConsole, agentCLI, agentBoto, agentGo, agentLambda,
	"APN/1.0 HashiCorp/1.0 Terraform/1.13.3 (+https://www.terraform.io) terraform-provider-aws/6.15.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.39.2 ua/2.1 os/linux lang/go#1.24.6",
	"aws-sdk-java/2.33.8 ua/2.1 os/Linux#5.15 lang/java#21.0.4 md/OpenJDK_64-Bit_Server_VM", "aws-sdk-js/3.900.0 ua/2.1 os/linux#6.1.0 lang/js md/nodejs#22.19.0"}

var serviceNames = []string{"lambda.amazonaws.com", "ec2.amazonaws.com", "ecs-tasks.amazonaws.com", "glue.amazonaws.com", "states.amazonaws.com", "config.amazonaws.com", "rds.amazonaws.com"}

func newNoiseMaker(r random, account string, at time.Time) *noiseMaker {
	n := &noiseMaker{r: r, account: account}
	for i := range 40 {
		role := fmt.Sprintf("app-%s-%s", pick(r, []string{"checkout", "catalog", "search", "payment", "mail"}), r.hex(6))
		s := roleSession{account: account, role: role, session: r.hex(32), created: at.Add(-time.Duration(i) * time.Hour), key: r.id("ASIA", 16)}
		switch i % 4 {
		case 1:
			s.session = "i-0" + r.hex(16)
			s.ec2 = true
		case 2:
			s.session, s.inScopeOf = role, "arn:aws:lambda:"+US+":"+account+":function:"+role
		case 3:
			p := pick(r, people)
			s.path, s.role = "aws-reserved/sso.amazonaws.com/"+EU+"/", "AWSReservedSSO_"+p.set+"_"+hexOf(account + p.set)[:16]
			s.session = p.email()
		}
		c := bot(s, role)
		n.callers = append(n.callers, c)
		if i%4 != 3 {
			n.roles = append(n.roles, c)
		}
	}
	n.fill = []byte(r.id("", 1<<16))
	return n
}

// text returns random characters that are cheap to make.
func (n *noiseMaker) text(length int) string {
	at := n.r.IntN(len(n.fill) - length)
	return string(n.fill[at : at+length])
}

// event makes a record of some other service.
func (n *noiseMaker) event(at time.Time, region string) event {
	x := n.r.IntN(noiseWeights)
	i := 0
	for x >= noises[i].weight {
		x -= noises[i].weight
		i++
	}
	k := &noises[i]
	who := n.callers[n.r.IntN(len(n.callers))]
	e := event{
		at: at, id: n.r.uuid(), request: n.r.uuid(), account: n.account, region: region, source: k.source, name: k.name,
		identity: who.identity, ip: noiseAddress(n.r), agent: noiseAgents[n.r.IntN(len(noiseAgents))], readOnly: k.readOnly,
	}
	if k.params != nil {
		e.params = k.params(n, region)
	}
	if k.response != nil {
		e.response = k.response(n, region)
	}
	if k.more != nil {
		e.more = k.more(n)
	}
	if k.source == "s3.amazonaws.com" || k.source == "kms.amazonaws.com" {
		e.resources = `[{"accountId":"` + n.account + `","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::example-store-` + n.text(6) + `"}]`
	}
	if n.r.IntN(40) == 0 {
		e.errorCode, e.errorText, e.response = "AccessDenied", "User: "+who.arn+" is not authorized to perform: "+hostPrefix(k.source)+":"+k.name+" because no identity-based policy allows it", ""
	}
	return e
}

// token makes a record of the Security Token Service; in four of five the
// caller is an AWS service.
func (n *noiseMaker) token(at time.Time, region string) event {
	to := n.roles[n.r.IntN(len(n.roles))]
	by := serviceNames[n.r.IntN(len(serviceNames))]
	id, session := sessionOf(to)
	e := event{
		at: at, id: n.r.uuid(), request: n.r.uuid(), account: n.account, region: region, source: stsSource, name: "AssumeRole",
		identity: `{"type":"AWSService","invokedBy":"` + by + `"}`, ip: by, agent: by, readOnly: true, forwarded: true, shared: n.r.uuid(),
		params: `{"roleArn":"` + to.role + `","roleSessionName":"` + session + `","durationSeconds":3600}`,
		response: `{"credentials":{"accessKeyId":"ASIA` + n.text(16) + `","sessionToken":"IQoJb3JpZ2luX2VjE` + n.text(420) + `","expiration":"` + at.Add(time.Hour).Format(expiryLayout) +
			`"},"assumedRoleUser":{"assumedRoleId":"` + id + `","arn":"` + to.arn + `"}}`,
		resources: roleResource(to),
	}
	if n.r.IntN(5) == 0 {
		from := n.callers[n.r.IntN(len(n.callers))]
		e.identity, e.ip, e.agent, e.forwarded, e.shared = from.identity, noiseAddress(n.r), agentBoto, false, ""
	}
	return e
}

func noiseAddress(r random) string {
	return "10." + digits[r.IntN(16)] + "." + digits[r.IntN(256)] + "." + digits[r.IntN(256)]
}

var digits = func() (d [256]string) {
	for i := range d {
		d[i] = fmt.Sprint(i)
	}
	return d
}()

func list(n int, item func() string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(item())
	}
	return b.String()
}

func instances(n *noiseMaker, _ string) string {
	return `{"instancesSet":{"items":[` + list(n.r.between(1, 6), func() string { return `{"instanceId":"i-0` + n.r.hex(16) + `"}` }) + `]},"filterSet":{}}`
}

func filters(n *noiseMaker, _ string) string {
	return `{"maxResults":1000,"filterSet":{"items":[{"name":"vpc-id","valueSet":{"items":[{"value":"vpc-0` + n.r.hex(16) + `"}]}},{"name":"tag:environment","valueSet":{"items":[{"value":"production"},{"value":"staging"}]}}]}}`
}

func keyContext(n *noiseMaker, region string) string {
	return `{"encryptionContext":{"PARAMETER_ARN":"arn:aws:ssm:` + region + ":" + n.account + `:parameter/shop/` + n.text(8) + `"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"arn:aws:kms:` + region + ":" + n.account + `:key/0a1b2c3d-0000-4000-8000-000000000002"}`
}

func parameter(n *noiseMaker, _ string) string {
	return `{"name":"/shop/production/` + n.text(10) + `","withDecryption":true}`
}

func secretID(n *noiseMaker, region string) string {
	return `{"secretId":"arn:aws:secretsmanager:` + region + ":" + n.account + ":secret:shop/" + n.text(10) + `"}`
}

func bucket(n *noiseMaker, _ string) string {
	name := "example-store-" + n.text(8)
	return `{"bucketName":"` + name + `","Host":"` + name + `.s3.amazonaws.com","acl":""}`
}

func s3More(n *noiseMaker) string {
	return `{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"` + n.text(60) + `","bytesTransferredOut":` + fmt.Sprint(n.r.IntN(4000)) + `}`
}

func glueTable(n *noiseMaker, _ string) string {
	return `{"databaseName":"` + pick(n.r, []string{"sales", "web", "raw", "ml", "finance"}) + `","name":"table_` + n.text(6) + `","catalogId":"` + n.account + `"}`
}

func partitions(n *noiseMaker, _ string) string {
	return `{"databaseName":"raw","tableName":"clickstream","partitionsToGet":[` + list(n.r.between(1, 14), func() string {
		return `{"values":["2026-` + digits[n.r.between(10, 12)] + "-" + digits[n.r.between(10, 28)] + `","` + digits[n.r.IntN(24)] + `"]}`
	}) + `]}`
}

func logStream(n *noiseMaker, _ string) string {
	return `{"logGroupName":"/aws/lambda/shop-` + n.text(6) + `","logStreamName":"2026/10/14/[$LATEST]` + n.r.hex(32) + `"}`
}

func roleName(n *noiseMaker, _ string) string { return `{"roleName":"app-` + n.text(8) + `"}` }

func function(n *noiseMaker, region string) string {
	return `{"functionName":"arn:aws:lambda:` + region + ":" + n.account + ":function:shop-" + n.text(6) + `"}`
}

func stack(n *noiseMaker, _ string) string {
	return `{"stackName":"shop-` + n.text(5) + `","capabilities":["CAPABILITY_NAMED_IAM"],"parameters":[` + list(n.r.between(2, 18), func() string {
		return `{"parameterKey":"Setting` + n.text(3) + `","parameterValue":"****"}`
	}) + `],"tags":[{"key":"team","value":"platform"},{"key":"environment","value":"production"}]}`
}

func stackID(n *noiseMaker, region string) string {
	return `{"id":"arn:aws:cloudformation:` + region + ":" + n.account + `:changeSet/deploy/` + n.r.uuid() + `"}`
}

func task(n *noiseMaker, _ string) string {
	return `{"cluster":"shop","taskDefinition":"checkout:` + digits[n.r.IntN(256)] + `","launchType":"FARGATE","networkConfiguration":{"awsvpcConfiguration":{"subnets":["subnet-0` + n.r.hex(16) + `"],"securityGroups":["sg-0` + n.r.hex(16) + `"],"assignPublicIp":"DISABLED"}},"overrides":{"containerOverrides":[{"name":"main","command":["run","--job","` + n.text(12) + `"]}]}}`
}

func taskAnswer(n *noiseMaker, region string) string {
	return `{"tasks":[{"taskArn":"arn:aws:ecs:` + region + ":" + n.account + `:task/shop/` + n.r.hex(32) + `","lastStatus":"PROVISIONING","desiredStatus":"RUNNING","cpu":"1024","memory":"4096","containers":[` +
		list(n.r.between(1, 6), func() string {
			return `{"containerArn":"arn:aws:ecs:` + region + ":" + n.account + `:container/shop/` + n.r.uuid() + `","name":"main","lastStatus":"PENDING","networkInterfaces":[],"cpu":"0","managedAgents":[]}`
		}) + `]}],"failures":[]}`
}

func loginAnswer(*noiseMaker, string) string { return `{"ConsoleLogin":"Success"}` }

func loginMore(n *noiseMaker) string {
	return `{"LoginTo":"https://console.aws.amazon.com/athena/home","MobileVersion":"No","MFAUsed":"Yes","SignInSession":"` + n.text(24) + `"}`
}

// noise fills the trail up with the records of other services.
func (c *Company) noise(factor float64) {
	const perDay = 1400 // on a working day with the default number of starts
	for _, account := range []string{Analytics, Finance} {
		n := newNoiseMaker(newRandom(c.seed, "noise "+account), account, firstDay)
		for day := firstDay; !day.After(present); day = day.AddDate(0, 0, 1) {
			mean := perDay * factor
			if weekend(day) {
				mean *= 0.6
			}
			if account == Finance {
				mean *= 0.45
			}
			for range n.r.poisson(mean) {
				at := day.Add(time.Duration(n.r.Int64N(int64(24 * time.Hour)))).Truncate(time.Second)
				if !at.Before(horizon) {
					continue
				}
				region := US
				if n.r.chance(0.35) {
					region = EU
				}
				e := n.event(at, region)
				if n.r.IntN(14) == 0 {
					e = n.token(at, region)
				}
				c.events = append(c.events, e)
			}
		}
	}
}
