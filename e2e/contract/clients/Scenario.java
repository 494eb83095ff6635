// The scenario of generated clients, in Java: create, walk by cursor, change under If-Match, two refusals, a batch.

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.BatchApi;
import org.openapitools.client.api.MarketsApi;
import org.openapitools.client.model.BatchBody;
import org.openapitools.client.model.BatchOperation;
import org.openapitools.client.model.BatchOperation.CollectionEnum;
import org.openapitools.client.model.BatchOperation.OpEnum;
import org.openapitools.client.model.MarketCreateBody;
import org.openapitools.client.model.MarketPatch;
import org.openapitools.client.model.ProblemAnswer;

public class Scenario {
  private static final ApiClient client = new ApiClient();

  private interface Call {
    void run() throws ApiException;
  }

  private static void same(Object found, Object expected) {
    if (!expected.equals(found)) throw new AssertionError("wanted " + expected + ", found " + found);
  }

  private static String refusal(Call call) throws Exception {
    try {
      call.run();
    } catch (ApiException refused) {
      // This client takes both forms of an error, and then it is told as RFC 9457 has it.
      var told = client.getObjectMapper().readValue(refused.getResponseBody(), ProblemAnswer.class);
      var line = new StringBuilder(refused.getCode() + " " + told.getCode());
      told.getErrors().forEach(detail -> line.append(" " + detail.getPath() + " " + detail.getCode()));
      return line.toString();
    }
    throw new AssertionError("it was not refused");
  }

  public static void main(String[] arguments) throws Exception {
    client.updateBaseUri(System.getenv("E2E_SQLITE_URL"));
    // This client leaves credentials to its user.
    client.setRequestInterceptor(request -> request.header("X-API-Key", System.getenv("E2E_KEY")));
    var markets = new MarketsApi(client);

    UUID id = null;
    for (int number = 0; number < 3; number++) {
      var body = new MarketCreateBody().title("Bean asks " + number).slug("bean-" + number).volume("1.5").tags(Set.of("java"));
      var made = markets.createMarket(body, null, null).getData();
      same(List.of(made.getVolume(), made.getVersion(), made.getClosesAt() == null), List.of("1.5000", 1L, true));
      id = made.getId();
    }

    var found = new ArrayList<String>();
    String cursor = null;
    do {
      var request = MarketsApi.APIListMarketsRequest.newBuilder().titleStartswith("Bean").sort(Set.of("-title")).limit(2);
      var page = markets.listMarkets(request.cursor(cursor).build());
      page.getData().forEach(market -> found.add(market.getSlug()));
      cursor = page.getMeta().getNextCursor();
    } while (cursor != null);
    same(found, List.of("bean-2", "bean-1", "bean-0"));

    var last = id;
    var etag = markets.getMarketWithHttpInfo(last, null, null, null).getHeaders().get("etag").get(0);
    var patch = new MarketPatch().status(MarketPatch.StatusEnum.CLOSED);
    same(markets.updateMarket(last, patch, etag, null).getData().getVersion(), 2L);
    same(refusal(() -> markets.updateMarket(last, patch, etag, null)), "412 PRECONDITION_FAILED");
    var again = new MarketCreateBody().title("Bean again").slug("bean-0");
    same(refusal(() -> markets.createMarket(again, null, null)), "409 CONFLICT /slug taken");

    var batch = new BatchApi(client);
    Map<String, Object> data = Map.of("title", "Bean in a batch", "slug", "bean-3");
    var create = new BatchOperation().op(OpEnum.CREATE).collection(CollectionEnum.MARKETS).data(data);
    var update = new BatchOperation().op(OpEnum.UPDATE).collection(CollectionEnum.MARKETS).id("$0.id").data(Map.of("status", "closed"));
    var delete = new BatchOperation().op(OpEnum.DELETE).collection(CollectionEnum.MARKETS).id(last.toString()).version(2L);
    var results = batch.runBatch(new BatchBody().operations(List.of(create, update, delete)), null).getData().getResults();
    same(results.stream().map(result -> result.getStatus()).toList(), List.of(201, 200, 204));
    same(results.get(1).getData().get("status"), "closed");
    var gone = new BatchBody().operations(List.of(delete));
    same(refusal(() -> batch.runBatch(gone, null)), "412 PRECONDITION_FAILED /operations/0 precondition_failed");
  }
}
