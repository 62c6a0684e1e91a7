package report

import "strings"

// Classes by which Athena reads the log files of a trail (Athena User Guide,
// "Create a table for CloudTrail logs in Athena using manual partitioning").
const (
	trailSerDe  = "org.apache.hive.hcatalog.data.JsonSerDe"
	trailInput  = "com.amazon.emr.cloudtrail.CloudTrailInputFormat"
	trailOutput = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
)

// A trailLayout is how the log files of a trail lie below its AWSLogs:
// <account>/CloudTrail/<region>/yyyy/MM/dd.
type trailLayout struct {
	location          string // ends in a slash
	accounts, regions []string
}

// trailIdentity is CloudTrail's userIdentity. The user guide's table has no
// inScopeOf, invokedByDelegate, sourceIdentity, assumedRoot and credentialId.
const trailIdentity = "struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,accesskeyid:string,username:string," +
	"identityprovider:string,credentialid:string," +
	"onbehalfof:struct<userid:string,identitystorearn:string>," +
	"inscopeof:struct<sourcearn:string,sourceaccount:string,issuertype:string,credentialsissuedto:string>," +
	"invokedbydelegate:struct<accountid:string>," +
	"sessioncontext:struct<attributes:struct<mfaauthenticated:string,creationdate:string>," +
	"sessionissuer:struct<type:string,principalid:string,arn:string,accountid:string,username:string>," +
	"ec2roledelivery:string,sourceidentity:string,assumedroot:string," +
	"webidfederationdata:struct<federatedprovider:string,attributes:map<string,string>>>>"

// cloudTrailLogs returns the table that the user guide calls cloudtrail_logs,
// over the log files themselves. Its columns are those of a record of version
// 1.11; members that are objects of a service's own are JSON text.
func (o DDLOptions) cloudTrailLogs() external {
	location := strings.TrimRight(o.Trail, "/")
	if !strings.Contains(location+"/", "/AWSLogs/") {
		location += "/AWSLogs"
	}
	e := external{name: "cloudtrail_logs", location: location + "/", trail: &trailLayout{location + "/", o.Accounts, o.Regions}}
	for _, c := range [][2]string{
		{"eventversion", "string"}, {"useridentity", trailIdentity}, {"eventtime", "string"}, {"eventsource", "string"}, {"eventname", "string"},
		{"awsregion", "string"}, {"sourceipaddress", "string"}, {"useragent", "string"}, {"errorcode", "string"}, {"errormessage", "string"},
		{"requestparameters", "string"}, {"responseelements", "string"}, {"additionaleventdata", "string"}, {"requestid", "string"}, {"eventid", "string"},
		{"resources", "array<struct<arn:string,accountid:string,type:string>>"}, {"eventtype", "string"}, {"apiversion", "string"},
		{"managementevent", "string"}, {"readonly", "string"}, {"recipientaccountid", "string"}, {"serviceeventdetails", "string"}, {"sharedeventid", "string"},
		{"vpcendpointid", "string"}, {"vpcendpointaccountid", "string"}, {"eventcategory", "string"},
		{"addendum", "struct<reason:string,updatedfields:string,originalrequestid:string,originaleventid:string>"},
		{"sessioncredentialfromconsole", "string"}, {"edgedevicedetails", "string"},
		{"tlsdetails", "struct<tlsversion:string,ciphersuite:string,clientprovidedhostheader:string,keyexchange:string>"},
	} {
		e.columns = append(e.columns, externalColumn{name: c[0], hive: c[1]})
	}
	return e
}

// partitions of the trail are called as in the user guide's table, but for the
// account, which a trail of an organization has too.
func (l *trailLayout) partitions() []externalColumn {
	return []externalColumn{{name: "account", hive: "string"}, {name: "region", hive: "string"}, {name: "timestamp", hive: "string"}}
}

// trailBegins is before every trail: CloudTrail began on 2013-11-13.
const trailBegins = "2013/11/13"

func (l *trailLayout) properties() []property {
	list := []property{{"projection.enabled", "true"}}
	for _, of := range []struct {
		column string
		values []string
	}{{"account", l.accounts}, {"region", l.regions}} {
		if len(of.values) == 0 {
			list = append(list, property{"projection." + of.column + ".type", "injected"})
			continue
		}
		list = append(list, property{"projection." + of.column + ".type", "enum"}, property{"projection." + of.column + ".values", strings.Join(of.values, ",")})
	}
	return append(list,
		property{"projection.timestamp.type", "date"},
		property{"projection.timestamp.format", "yyyy/MM/dd"},
		property{"projection.timestamp.range", trailBegins + ",NOW"},
		property{"projection.timestamp.interval", "1"},
		property{"projection.timestamp.interval.unit", "DAYS"},
		property{"storage.location.template", l.location + "${account}/CloudTrail/${region}/${timestamp}"})
}
