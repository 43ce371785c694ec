// Starts the viewer of the API's description, which brings no inline script so that the policy of this site stays strict.
const place = document.getElementById("swagger-ui");
window.SwaggerUIBundle({ url: place.dataset.openapi, domNode: place, deepLinking: true, docExpansion: "list" });
