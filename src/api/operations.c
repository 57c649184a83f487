#include "api/operations.h"

#include "base/attr.h"
#include "base/mem.h"

/* What every listing takes. */
#define LIST "limit after watch"

const struct operation api_operations[] = {
    {"/v1/hosts", "get", "Hosts", NULL, "HostView[]", LIST, "200 400"},
    {"/v1/hosts/{name}", "get", "One host", NULL, "HostView", NULL, "200 404"},
    {"/v1/hosts/{name}", "put", "Make a host what the document says", "Host", "Applied", NULL,
     "200 201 403 409 412 422"},
    {"/v1/hosts/{name}", "delete", "Forget a host that has no instances", NULL, NULL, NULL,
     "200 403 404 409 412"},
    {"/v1/hosts/{name}/drain", "post", "Move its instances elsewhere", NULL, NULL, NULL, "200 403 404 412"},
    {"/v1/hosts/{name}/activate", "post", "Let it have instances again", NULL, NULL, NULL, "200 403 404 412"},
    {"/v1/hosts/{name}/power", "post", "Switch it on, off, or off and on", "Power", NULL, NULL,
     "200 403 404 409 412 422"},
    {"/v1/parties", "get", "Parties", NULL, "PartyView[]", LIST, "200 400"},
    {"/v1/parties/{name}", "get", "One party", NULL, "PartyView", NULL, "200 404"},
    {"/v1/parties/{name}", "put", "Make a party what the document says", "Party", "Applied", NULL,
     "200 201 403 409 412 422"},
    {"/v1/parties/{name}", "delete", "Delete a party that has no farms", NULL, NULL, NULL,
     "200 403 404 409 412"},
    {"/v1/farms", "get", "Farms", NULL, "FarmView[]", LIST, "200 400"},
    {"/v1/farms/{party}/{name}", "get", "One farm", NULL, "FarmView", NULL, "200 404"},
    {"/v1/farms/{party}/{name}", "put", "Make a farm what the document says", "Farm", "Applied", NULL,
     "200 201 403 409 412 422"},
    {"/v1/farms/{party}/{name}", "delete", "End a farm; what it held is wiped", NULL, NULL, NULL,
     "200 403 404 412"},
    {"/v1/farms/{party}/{name}/scale", "post", "Set a tier's committed count", "Scale", NULL, NULL,
     "200 403 404 409 412 422"},
    {"/v1/farms/{party}/{name}/suggest", "get",
     "The counts that would have been cheapest for its last period", NULL, "Suggestion", NULL, "200 404"},
    {"/v1/images", "get", "The image library", NULL, "ImageView[]", LIST, "200 400"},
    {"/v1/images/{party}/{name}", "get", "One image", NULL, "ImageView", NULL, "200 404"},
    {"/v1/images/{party}/{name}", "put", "Name an image whose layers are here", "Image", "Applied", NULL,
     "200 201 403 409 412 422"},
    {"/v1/images/{party}/{name}", "delete", "Remove an image that no farm uses", NULL, NULL, NULL,
     "200 403 404 409 412"},
    {"/v1/pools", "get", "Pools: those that have a document, and those that hosts name", NULL, "PoolView[]",
     LIST, "200 400"},
    {"/v1/pools/{name}", "get", "One pool", NULL, "PoolView", NULL, "200 404"},
    {"/v1/pools/{name}", "put", "Make a pool what the document says", "Pool", "Applied", NULL,
     "200 201 403 409 412 422"},
    {"/v1/pools/{name}", "delete", "Delete a pool's document: it survives none while hosts name it", NULL,
     NULL, NULL, "200 403 404 412"},
    {"/v1/slas", "get", "Service levels", NULL, "SLAView[]", LIST, "200 400"},
    {"/v1/slas/{name}", "get", "One service level", NULL, "SLAView", NULL, "200 404"},
    {"/v1/slas/{name}", "put", "Make a service level what the document says", "SLA", "Applied", NULL,
     "200 201 403 409 412 422"},
    {"/v1/slas/{name}", "delete", "Delete a service level that no farm has", NULL, NULL, NULL,
     "200 403 404 409 412"},
    {"/v1/scaling-rules", "get", "Rules by which farms size themselves", NULL, "ScalingRulesView[]", LIST,
     "200 400"},
    {"/v1/scaling-rules/{name}", "get", "One set of rules", NULL, "ScalingRulesView", NULL, "200 404"},
    {"/v1/scaling-rules/{name}", "put", "Make a set of rules what the document says", "ScalingRules",
     "Applied", NULL, "200 201 403 409 412 422"},
    {"/v1/scaling-rules/{name}", "delete", "Delete rules that no service level has", NULL, NULL, NULL,
     "200 403 404 409 412"},
    {"/v1/filters", "get", "What parties let pass", NULL, "FilterView[]", LIST, "200 400"},
    {"/v1/filters/{party}/{name}", "get", "One filter", NULL, "FilterView", NULL, "200 404"},
    {"/v1/filters/{party}/{name}", "put", "Make a filter what the document says", "Filter", "Applied", NULL,
     "200 400 403 409 412 422"},
    {"/v1/filters/{party}/{name}", "delete", "Delete a filter", NULL, NULL, NULL, "200 403 404 409 412"},
    {"/v1/contacts", "get", "Who is told of failures", NULL, "ContactView[]", LIST, "200 400"},
    {"/v1/contacts/{party}/{name}", "get", "One contact", NULL, "ContactView", NULL, "200 404"},
    {"/v1/contacts/{party}/{name}", "put", "Make a contact what the document says", "Contact", "Applied",
     NULL, "200 400 403 409 412 422"},
    {"/v1/contacts/{party}/{name}", "delete", "Delete a contact that no tier tells", NULL, NULL, NULL,
     "200 403 404 409 412"},
    {"/v1/instances", "get", "Instances", NULL, "Instance[]", LIST, "200 400"},
    {"/v1/instances/{party}/{farm}/{name}", "get", "One instance", NULL, "Instance", NULL, "200 404"},
    {"/v1/instances/{party}/{farm}/{name}/move", "post", "Move an instance to a host", "Move", NULL, NULL,
     "200 403 404 409 412 422"},
    {"/v1/instances/{party}/{farm}/{name}/exec", "post", "Run a command inside", "Exec", "Session", NULL,
     "200 404 409 422 502 504"},
    {"/v1/instances/{party}/{farm}/{name}/exec/{session}", "get",
     "Output of the command, when there is more, within 20 s", NULL, "Output", "offset_after",
     "200 400 404 409 502 504"},
    {"/v1/instances/{party}/{farm}/{name}/exec/{session}", "delete", "Kill the command", NULL, NULL, NULL,
     "200 404 409 502 504"},
    {"/v1/instances/{party}/{farm}/{name}/exec/{session}/input", "post",
     "Input of the command; an empty body ends it", "bytes", NULL, NULL, "200 404 409 502 504"},
    {"/v1/instances/{party}/{farm}/{name}/log", "get",
     "What an instance said; Croft-Offset is where the next piece begins", NULL, "text", "offset_after",
     "200 400 404 409 502 504"},
    {"/v1/apply", "post", "Make all documents of a text so, or none", "documents", "Results", "dry_run",
     "200 403 404 409 412 413 422"},
    {"/v1/diff", "post", "What applying would change", "documents", "Difference", NULL,
     "200 403 404 409 413 422"},
    {"/v1/export", "get", "Intent and facts, a document a line", NULL, "lines", NULL, "200"},
    {"/v1/events", "get", "What happened, and why", NULL, "Event[]", "name since last " LIST, "200 400"},
    {"/v1/explain/{name}", "get", "Why something is as it is; the name may have slashes", NULL, "Story", NULL,
     "200 404"},
    {"/v1/bill", "get", "What was used in a time, what it costs, and the proof that all of it is there", NULL,
     "Bill", "party from to intervals", "200 400 404"},
    {"/v1/reach", "get", "Who can open what to whom, by all filters and by what farms allow", NULL, "Reach[]",
     "farm from_end to_end", "200 404 413"},
    {"/v1/judge", "get", "Which rule of which filter decides a packet at a port", NULL, "Judgement",
     "on packet", "200 404 422"},
    {"/v1/top", "get", "Use of CPU and memory now", NULL, "Top", NULL, "200"},
    {"/v1/blobs/{digest}", "get", "How much of a layer is here", NULL, "Blob", NULL, "200 404 422"},
    {"/v1/blobs/{digest}", "put", "Add a piece of a layer", "bytes", "Blob", "offset",
     "200 400 409 412 413 422"},
    {"/v1/blobs/{digest}/finish", "post", "Verify a layer and keep it", NULL, NULL, NULL, "200 404 409 422"},
    {"/v1/tokens", "get", "Tokens, without their secrets", NULL, "Token[]", NULL, "200 403"},
    {"/v1/tokens", "post", "Make a token for a party; it is told this once", "NewToken", "MadeToken", NULL,
     "201 403 404 409 422"},
    {"/v1/tokens/{id}", "delete", "Delete a token", NULL, NULL, NULL, "200 403 404"},
    {"/v1/version", "get", "Version of the server", NULL, "Version", NULL, "200"},
    {"/v1/openapi.json", "get", "This description", NULL, "Object", NULL, "200", FOR_ALL},
    {"/metrics", "get", "Measurements for Prometheus: with the landlord's token, or on the server's machine",
     NULL, "text", NULL, "200 403", FOR_LANDLORD},
    {"/healthz", "get", "Answers while the server lives", NULL, "text", NULL, "200", FOR_ALL},
    {"/readyz", "get", "Answers while the server can do its work", NULL, "text", NULL, "200", FOR_ALL},
};
const size_t api_operations_length = LENGTH(api_operations);

const struct parameter api_parameters[] = {
    {"limit", "integer", "At most so many items, 1 to 10000; Croft-Next of the answer is for ?after="},
    {"after", "string", "Only what comes behind this item"},
    {"watch", "integer",
     "A revision that has been, or 0: the listing goes on as server-sent events, with each change after it"},
    {"name", "string", "Only of this thing and what is inside it"},
    {"since", "integer", "Only of the last so many seconds; 0: all"},
    {"last", "integer", "The last so many, 1 to 10000, and not the first"},
    {"party", "string", "Only of this party and those below it; else all that the asker may see"},
    {"from", "string",
     "Since when: 2026-11-21T10:00:00Z, 2026-11-21 or 2026-11; else the beginning of the month"},
    {"to", "string", "Until when, the same, and itself not part of it; else, and at most, now"},
    {"intervals", "string", "Anything: each instance's too, with its level"},
    {"farm", "string", "Only of this farm, PARTY/NAME; else of all that the asker may see"},
    {"from_end", "string", "Only what this tier or instance opens, by its full name, or internet"},
    {"to_end", "string", "Only what is opened to this tier or instance, by its full name, or internet"},
    {"on", "string", "At whose port: the full name of a farm, a tier or an instance"},
    {"packet", "string", "Such as `in tcp 10.0.0.9:40000 > 10.0.1.4:22`"},
    {"dry_run", "string", "Anything but 0: check everything and change nothing"},
    {"offset", "integer", "Where the piece begins"},
    {"offset_after", "integer", "Only what comes behind so many bytes; of a log below zero: the last 64 KiB"},
};
const size_t api_parameters_length = LENGTH(api_parameters);

/* Documents have schemas of their own; these are what else goes to and fro. */
const struct shape api_shapes[] = {
    {"Object", ""},
    {"Problem", "type:string title:string status:integer detail:string code:string file:string field:string "
                "line:integer column:integer"},
    {"Amounts", "cpus:number memory:string disk:string network:string"},
    {"HostView", "kind:=Host status:HostStatus"},
    {"HostStatus", "name:string zone:string pool:string state:=up,suspect,down,draining,off capacity:Amounts "
                   "used:Amounts instances:integer agent_version:string since:string pid:integer "
                   "agent_pid:integer fenced:boolean document_version:integer document_error:string "
                   "reason:string"},
    {"PartyView", "kind:=Party status:PartyStatus"},
    {"PartyStatus", "name:string parent:string used:Amounts instances:integer"},
    {"FarmView", "kind:=Farm status:FarmStatus"},
    {"FarmStatus", "name:string party:string state:=ready,changing,degraded,stopped tiers:[TierStatus] "
                   "endpoints:[Endpoint] sla:string level:=committed,guaranteed,extended target_ms:measure "
                   "percentile:measure target_kept_percent:measure target_minutes:measure reason:string"},
    {"TierStatus",
     "name:string committed:integer guaranteed:integer max:integer wanted:integer "
     "running:integer instances:integer level:=committed,guaranteed,extended rate?:number "
     "refused_rate?:number failed_rate?:number bytes_rate?:integer open?:integer "
     "queued?:integer response_ms?:number response_mean_ms?:number percentile?:number "
     "target_ms?:number in_time_percent?:number need?:number trend_percent_an_hour?:number waits?:string"},
    {"Endpoint", "name:string address:string"},
    {"ImageView", "kind:=Image status:ImageStatus"},
    {"ImageStatus", "name:string party:string digest:string size:integer layers:integer"},
    {"PoolView", "kind:=Pool status:PoolStatus"},
    {"PoolStatus", "name:string survive:string hosts:integer instances:integer capacity:Amounts used:Amounts "
                   "kept:Amounts"},
    {"SLAView", "kind:=SLA status:SLAStatus"},
    {"SLAStatus", "name:string metric:=requests,connections,bytes,transactions,cpu,custom "
                  "period:=day,week,month priority:=low,normal,urgent response:string percentile:number "
                  "committed:string guaranteed:string extended:string"},
    {"ScalingRulesView", "kind:=ScalingRules status:ScalingRulesStatus"},
    {"ScalingRulesStatus", "name:string terms:integer rules:integer"},
    {"ContactView", "kind:=Contact status:ContactStatus"},
    {"ContactStatus", "name:string party:string mail:integer webhook:boolean command:boolean waiting:integer "
                      "sent:integer reason:string"},
    {"FilterView", "kind:=Filter status:FilterStatus"},
    {"FilterStatus",
     "name:string party:string on:string default:=deny,allow rules:integer fits?:boolean reason:string"},
    {"Reach", "farm:string from:string to:string protocol:string ports:string partly:boolean"},
    {"Judgement", "passes:boolean packet:Object steps:[Step]"},
    {"Step", "filter:string party:string rule:integer action:=deny,allow,reject"},
    {"Instance", "kind:=Instance name:string farm:string tier:string party:string host:string zone:string "
                 "address:string driver:=container,vm,host image:string "
                 "state:=pending,booting,running,draining,wiping,stopped,failed health:string since:string "
                 "restarts:integer warm:boolean incarnation:integer priority:integer digest:string "
                 "size:Amounts reason:string"},
    {"Power", "order:=on,off,cycle"},
    {"Scale", "tier:string count:integer"},
    {"Move", "host:string"},
    {"Exec", "command:[string] env?:[string] tty?:boolean rows?:integer columns?:integer"},
    {"Session", "session:string"},
    {"Output", "output:[Piece] next:integer exit:status"},
    {"Piece", "stream:integer data:base64"},
    {"Applied", "kind:string name:string result:=created,updated,unchanged revision:integer"},
    {"Results", "results:[Applied]"},
    {"Difference", "documents:[Applied] actions:[Action]"},
    {"Action", "kind:string name:string host:string step:integer reason:string"},
    {"Event", "time:string revision:integer key:string kind:string name:string what:string reason:string "
              "who:string"},
    {"Story", "name:string kind:string state:string reason:string events:[Event]"},
    {"Bill",
     "party:string from:string to:string now:string invoices:[Invoice] lines:[BillLine] totals:[Total] "
     "intervals?:[BillInterval] proof:Proof"},
    {"BillInterval", "instance:string host:string use:string sla:string from:string to:string"},
    {"Suggestion", "farm:string sla:string reason:string from:string to:string currency:string cost:number "
                   "cost_best:number saving:number tiers:[SuggestedTier]"},
    {"SuggestedTier", "name:string peak:integer count:Counts best:Counts"},
    {"Counts", "committed:integer guaranteed:integer max:integer"},
    {"Invoice", "party:string currency:string exact:number amount:number"},
    {"BillLine",
     "charge:=use,fee,credit use:string party:string farm:string tier:string sla:string site:string "
     "from:string to:string instance_ms:integer hours:number times:integer price:number currency:string "
     "amount:number text:string"},
    {"Total", "currency:string amount:number"},
    {"Proof", "holds:boolean fault:string dimensions:[ProofOf]"},
    {"ProofOf", "name:string unit:string had?:number given:number idle?:number over?:number text:string"},
    {"Top", "hosts:[Sum] farms:[FarmSum] instances:[Use]"},
    {"Sum", "name:string cpus_used:number memory_used:integer instances:integer"},
    {"FarmSum", "name:string cpus_used:number memory_used:integer instances:integer "
                "level?:=committed,guaranteed,extended rate?:number response_ms?:number "
                "response_mean_ms?:number percentile?:number target_ms?:number in_time_percent?:number "
                "need?:number trend_percent_an_hour?:number waits?:string"},
    {"Use", "name:string farm:string host:string cpus_used:number memory_used:integer restarts:integer "
            "balanced?:Balanced"},
    {"Balanced", "requests?:integer connections?:integer run_queue?:integer disk?:integer"},
    {"Blob", "size?:integer partial?:integer"},
    {"NewToken", "party:string name?:string"},
    {"MadeToken", "id:string token:string"},
    {"Token", "id:string party:string name:string created:string"},
    {"Version", "version:string revision:integer"},
};
const size_t api_shapes_length = LENGTH(api_shapes);
