#include "check.h"

#include "base/text.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* For every table a text in canonical form in which every field says something. */
static const struct {
    const struct schema *schema;
    const char *json;
} rows[] = {
    {&schema_host, "{'name':'h1','zone':'east/b1','pool':'p','class':'c',"
                   "'capacity':{'cpus':8.5,'memory':'32Gi','disk':'1Ti','network':'10G'},"
                   "'reserve':{'cpus':0.25,'memory':'512Mi','disk':'1','network':'1500K'},'state':'off'}"},
    {&schema_party, "{'name':'a','parent':'b','quota':{'cpus':1,'memory':'1Mi','disk':'0','network':'1M',"
                    "'instances':0,'farms':7}}"},
    {&schema_image,
     "{'name':'hello:1','party':'a','digest':'" DIGEST "','layers':['" DIGEST "'],'size':'5Mi',"
     "'command':['a','b'],'env':{'A':'1'},'directory':'/srv','user':'1:2'}"},
    {&schema_filter,
     "{'name':'x','party':'a','on':'a/f/"
     "web-1','default':'allow','rules':[{'action':'reject','direction':'in',"
     "'from':'10.0.0.0/28','to':'tier:a/f/"
     "web','protocol':'tcp','from_port':'1024-65535','port':[22,'80-81',443]},"
     "{'action':'deny','direction':'out','from':'instance:a/f/web-1','to':'internet','protocol':47},"
     "{'action':'allow','from':'2001:db8::/32','to':'farm:a/f','protocol':'icmpv6'},{'action':'deny'}]}"},
    {&schema_lease,
     "{'name':'x','from':'a','to':'b','capacity':{'cpus':8,'memory':'16Gi','disk':'1Ti','network':'1G',"
     "'instances':5,'farms':2},'rights':['lease','hardware'],'until':'2027-01-01T00:00:00.000Z',"
     "'state':'ended','reason':'not paid','severed_by':'c'}"},
    {&schema_contact, "{'name':'ops','party':'landlord','mail':['a@b.example','c@d.example'],"
                      "'smtp':'smtp://"
                      "mail.example:25','from':'croft@b.example','login':'croft','secret':'mail','webhook':'"
                      "https://h.example/x',"
                      "'command':['page','ops'],'group':'5s','hourly':3}"},
    {&schema_party_key, "{'name':'a','custody':'tenant'}"},
    {&schema_pool, "{'name':'p','survive':'2','oversubscription':1.5,'on_failure':[{'do':'notify','within':'"
                   "0s','to':'ops'}],'on_hardware':[{'do':'notify','after':'5s','on':['hot','disk-full'],'"
                   "over':90,'to':'ops'},{'do':'drain','after':'10m','back':'1h','most':0.25}]}"},
    {&schema_sla, "{'name':'gold','metric':'cpu','period':'week','priority':'urgent',"
                  "'target':{'response':'50ms','percentile':99.9},'levels':{'committed':{'rate':'0.02 EUR'},"
                  "'guaranteed':{'rate':'0.03 EUR','fee':'5 EUR'},'extended':{'rate':'0 EUR',"
                  "'fee':'20.5 EUR','sites':'any'}},'credits':{'below':99.5,'percent':10},'rules':'r'}"},
    {&schema_scaling_rules,
     "{'name':'r','terms':[{'of':'expected response time','name':'too high','shape':[0.9,1.2,10,10]},"
     "{'of':'expected response time','name':'fine','shape':[0,0,1]},"
     "{'of':'need','name':'release','shape':[-100,-50,0]},{'of':'need','name':'request','shape':[0,50,100]}],"
     "'rules':['if expected response time is too high then request','if expected response time is fine "
     "then release'],'request_above':30,'offer_below':-30,'offer_after':'2m'}"},
    {&schema_farm,
     "{'name':'f','party':'p','sla':'gold','state':'stopped','subnet':'10.1.0.0/16','tiers':[{'name':'t',"
     "'image':'i:1','driver':'vm','count':{'committed':1,'guaranteed':2,'max':3},"
     "'size':{'cpus':0.5,'memory':'1Gi','disk':'2Gi','network':'5M'},'capacity':9,'command':['x'],"
     "'env':{'A':'b'},'files':[{'path':'/a','content':'b','mode':'0755'}],"
     "'health':{'http':'/h','port':80,'every':'2s','timeout':'100ms','fails':4},'warm':2,"
     "'spread':{'by':'rack','strict':true},'priority':60,'needs':['u'],'volumes':[{'name':'v','size':'1Gi',"
     "'copies':'2+1','mode':'async','mount':'/"
     "v'}],'on_failure':[{'do':'restart','within':'5s','times':3},{'do':'reload','within':'30s'},"
     "{'do':'replace','within':'1m'},{'do':'notify','within':'0s','to':'ops'}]},{'name':'u','image':'i:1','"
     "driver':'host',"
     "'count':{'committed':0,'guaranteed':0,'max':0},'size':{'cpus':0.1,'memory':'64Mi','disk':'64Mi'},"
     "'health':{'exec':['x','y'],'every':'1s','timeout':'500ms','fails':3},'spread':{'by':'3'},"
     "'priority':50},{'name':'w','image':'i:1','driver':'container',"
     "'count':{'committed':0,'guaranteed':0,'max':0},'size':{'cpus':0.1,'memory':'64Mi','disk':'64Mi'},"
     "'health':{'tcp':true,'port':5432,'every':'1s','timeout':'500ms','fails':3},'priority':50}],"
     "'balance':[{'name':'b','mode':'tcp','port':1,'to':'t:2','publish':'auto'}],"
     "'allow':[{'from':'t','to':'u','port':'1-2/udp'},{'from':'t','to':'u','port':'all/tcp'},"
     "{'from':'t','to':'u','port':'icmp'},{'from':'t','to':'u','port':'all'}]}"},
    {&schema_instance,
     "{'name':'a/f/t-1','party':'a','farm':'a/f','tier':'t','number':1,'driver':'vm','wanted':'drain',"
     "'host':'h','move_to':'i','last_host':'k','room_on':'l','incarnation':3,'address':'10.0.0.5','mac':'02:"
     "0a:00:00:00:ff','image':'i:1',"
     "'digest':'d','personality':'q','size':{'cpus':1,'memory':'2','disk':'3','network':'4'},'priority':7,"
     "'state':'wiping','health':'bad','since_ms':123456789012,'restarts':5,'wanders':2,'failures':3,'failed_"
     "ms':4,'mend_step':2,'mend_tries':1,'mend_since_ms':5,'mend_failures':1,'publish_taken':'1.2."
     "3.4:5',"
     "'drained':true,'frontends_hash':'f00d','reason':'r \\n "
     "\\\"'}"},
    {&schema_host_fact,
     "{'name':'h','state':'suspect','fenced':true,'given_up':true,'since_ms':5,'boot':'b','address':'1.2.3.4:"
     "5',"
     "'address_second':'1.2.3.5:5','underlay':'10.9.0.1','outside':'eth3','agent_version':'1','pid':6,'agent_"
     "pid':7,"
     "'document_version':8,'document_error':'e',"
     "'keys':[{'party':'a','generation':2,'taken_ms':3,'stored':4,'waits':true,'seal':'aa','sign':'bb','"
     "fingerprint':'"
     "cc'}],'"
     "findings':[{'kind':'hot','what':'cpu "
     "0','value':99,'limit':90,'since_ms':4,'steps':3,'accepted':true}],'findings_ms':6,'hardware_note':'n','"
     "emptied':'w','spared':'v','reason':"
     "'r'}"},
    {&schema_farm_fact, "{'name':'a/f','vni':77,'counters':[{'tier':'t','next':4}],"
                        "'scales':[{'tier':'t','wanted':3,'since_ms':9,'leave':['t-2'],'reason':'r'}],"
                        "'endpoints':{'www':'127.0.0.1:80'},'repossessed':'why'}"},
    {&schema_host_document,
     "{'host':'h','version':9,'images':[{'name':'hello:1','party':'landlord','digest':'" DIGEST "',"
     "'layers':[],'size':'0','directory':'/','user':'0'}],'farms':[{'name':'a/f','vni':5,"
     "'subnet':'10.0.0.0/24','gateway':'10.0.0.1','mtu':1400,'members':[{'instance':'t-1','tier':'t',"
     "'address':'10.0.0.2','mac':'02:00:00:00:00:01','underlay':'10.9.0.1','aside':true}],'rules':[{'from':'"
     "t',"
     "'to':'internet','protocol':'any','port_first':0,'port_last':65535}]}],'instances':[{"
     "'instance':'a/f/t-1','party':'a','farm':'a/f','tier':'t','incarnation':2,'wanted':'warm',"
     "'driver':'container','digest':'" DIGEST "','command':['x'],'env':{'A':'b'},"
     "'files':[{'path':'/a','content':'b','mode':'0400'}],'size':{'cpus':1},"
     "'health':{'http':'/','port':80,'every':'1s','timeout':'500ms','fails':3},'address':'10.0.0.2',"
     "'mac':'02:00:00:00:00:01','frontends':[{'name':'www','mode':'tcp','port':80,'publish':'auto',"
     "'health_path':'/h','health_every_ms':10,'health_fails':2,'servers':[{'instance':'t-2',"
     "'address':'10.0.0.3','port':8080,'drain':true}]}],'frontends_hash':'f00d'}],'underlay_peers':['10.9.0."
     "1','10.9.0.2'],"
     "'peers':[{'name':'h9','address':'10.8.0.9:1','address_second':'10.7.0.9:1','given_up':true}],"
     "'parties':[{'name':'a','parent':'b','custody':'tenant','severed':true}]}"},
    {&schema_host_report,
     "{'host':'h','boot':'b','agent_version':'1','pid':2,'agent_pid':3,'sent_us':9,'document_version':4,"
     "'refused_version':5,'refused_reason':'r','instances':[{'name':'a/f/t-1','incarnation':6,"
     "'state':'failed','health':'good','warm':true,'since_ms':7,'restarts':8,'publish_taken':'1.2.3.4:5','"
     "frontends_hash':'f00d','reason'"
     ":'x',"
     "'cpu_millis_used':9,'memory_bytes_used':10}],'drained':['a/f/t-2'],'denied':[{'farm':'a/f',"
     "'instance':'t-1','reason':'spoof','packets':11}],"
     "'keys':[{'party':'a','generation':2,'taken_ms':3,'stored':4,'waits':true,'seal':'aa','sign':'bb','"
     "fingerprint':'"
     "cc'}],'"
     "hardware_seen':true,'findings':[{'kind':'hot','what':'cpu "
     "0','value':99,'limit':90}],'hardware_note':'n'}"},
    {&schema_kept_keys, "{'party':'a','generation':2,'taken_ms':3,'own':true,"
                        "'consoles':[{'key':'aa','counter':9}],'floor':8,"
                        "'closed':[{'instance':'a/f/t-1','incarnation':7,'former':['bb']}]}"},
    {&schema_kept_disk_keys, "{'party':'a','generation':2,'slots':['landlord','a+released'],'check':'cc',"
                             "'items':[{'name':'directory','box':'bb'}]}"},
};

/* Single quotes are easier to read in C. */
static char *with_quotes(struct arena *arena, const char *text)
{
    char *json = arena_strdup(arena, text);
    for (char *at = json; *at != '\0'; at++)
        if (*at == '\'') *at = '"';
    return json;
}

static void every_table_keeps_every_field(void **state)
{
    for (size_t i = 0; i < LENGTH(rows); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        const char *json = with_quotes(arena, rows[i].json);
        struct node node = check_json(arena, json);
        void *object = arena_alloc(arena, rows[i].schema->size);
        struct error err;
        if (!schema_read(rows[i].schema, arena, &node, object, &err))
            fail_msg("%s: %s", err.field, err.message);
        assert_int_equal(node.length, rows[i].schema->fields_length);
        CLEANUP_BUF struct buf again = {0};
        schema_write(rows[i].schema, NULL, object, &again);
        assert_string_equal(buf_text(&again), json);
    }
}

/* What nobody filled in is written in a form that can be read, and stays the same from then on. */
static void empty_objects_can_be_written(void **state)
{
    struct host_document document = {
        .host = "h", .instances = &(struct personality){.instance = "a/f/t-1"}, .instances_length = 1};
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf first = {0};
    schema_write(&schema_host_document, NULL, &document, &first);
    struct host_document read;
    struct error err;
    assert_true(model_read_json(&schema_host_document, arena, buf_text(&first), first.size, &read, &err));
    assert_int_equal(read.instances[0].health.kind, HEALTH_NONE);
    assert_string_equal(read.instances[0].tier, "");
    CLEANUP_BUF struct buf second = {0};
    schema_write(&schema_host_document, NULL, &read, &second);
    assert_string_equal(buf_text(&first), buf_text(&second));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_keeps_every_field),
        cmocka_unit_test(empty_objects_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
